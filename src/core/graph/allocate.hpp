#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "canirun/core/placement.hpp"
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

 private:
  struct State {
    std::int32_t n_children = 0;
    std::int32_t n_views = 0;
    BlockAllocator::Address address = {};
    std::int8_t device = -1;
    bool allocated = false;
  };

  Backend backend_of(std::int8_t device) const;
  std::uint64_t size_on(std::int8_t device, std::int32_t id) const;
  bool reuse_source(std::int32_t id);
  void allocate(std::int32_t id, std::int8_t device);
  void release(std::int32_t id);

  const Schedule* schedule_ = nullptr;
  std::vector<State> states_;
  std::vector<BlockAllocator> allocators_;
  std::vector<std::uint64_t> sizes_;
};

}  // namespace canirun
