#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "canirun/core/placement.hpp"
#include "graph/repeats.hpp"
#include "graph/schedule.hpp"

/// \file
/// How large the compute buffers must be: ggml-alloc's graph allocator run on sizes alone.

namespace canirun {

/// One address space with first-address-sorted free blocks, best fit, split in chunks of limited size (ggml-alloc.c: ggml_dyn_tallocr).
class BlockAllocator {
 public:
  struct Address {
    std::uint32_t chunk = 0;
    std::uint64_t offset = 0;
  };

  void reset(std::uint64_t alignment, std::uint64_t max_chunk);
  Address allocate(std::uint64_t bytes);
  void release(Address address, std::uint64_t bytes);
  std::uint64_t alignment() const { return alignment_; }
  /// Σ over the chunks of the highest address that was ever in use.
  std::uint64_t peak() const;
  /// Appends all that later allocations depend on.
  void append_state(std::vector<std::uint64_t>& state) const;

 private:
  struct Block {
    std::uint64_t offset = 0, size = 0;
  };
  struct Chunk {
    std::vector<Block> free;
    std::uint64_t peak = 0;
  };
  std::vector<Chunk> chunks_;
  std::size_t n_chunks_ = 0;
  std::uint64_t alignment_ = 1;
  std::uint64_t max_chunk_ = 0;
};

/// ggml_gallocr_reserve_n_size: walks the scheduled graph and says how many bytes each device needs. Keeps its memory between calls.
class GraphAllocator {
 public:
  /// Bytes of the compute buffer of each GPU, then of the host.
  std::span<const std::uint64_t> reserve(const Schedule& schedule);
  /// The same of a graph with repetitions left out (repeats.hpp): nothing when a repetition did not leave the state that it found, so
  /// that more of them might need more. `layer_begin`: of the graph.
  std::optional<std::span<const std::uint64_t>> reserve(const Schedule& schedule, std::span<const Folding::Check> checks,
                                                        std::span<const std::int32_t> layer_begin);

 private:
  struct State {
    std::int32_t n_children = 0;
    std::int32_t n_views = 0;
    BlockAllocator::Address address = {};
    std::uint64_t bytes = 0;  ///< On its device.
    std::int8_t device = -1;
    bool allocated = false;
  };

  Backend backend_of(std::int8_t device) const;
  std::uint64_t size_on(std::int8_t device, std::int32_t id) const;
  bool reuse_source(std::int32_t id);
  void allocate(std::int32_t id, std::int8_t device);
  void release(std::int32_t id);
  void begin(const Schedule& schedule);
  void step(const Step& step);
  std::span<const std::uint64_t> peaks();
  /// The allocators, and what is alive of the tensors of a run of layers and of copies. `run` and `now` are first tensors of layers.
  std::vector<std::uint64_t> state(std::int32_t run, std::int32_t now) const;

  const Schedule* schedule_ = nullptr;
  std::vector<State> states_;
  std::vector<BlockAllocator> allocators_;
  std::vector<std::uint64_t> sizes_;
};

}  // namespace canirun
