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
  /// The most bytes that were in use at once: no order of the same requests needs less.
  std::uint64_t most_alive() const { return most_alive_; }
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
  std::uint64_t alive_ = 0, most_alive_ = 0;
};

/// ggml_gallocr_reserve_n_size: walks the scheduled graph and says how many bytes each device needs. Keeps its memory between calls.
class GraphAllocator {
 public:
  /// Bytes of the compute buffer of each GPU, then of the host.
  std::span<const std::uint64_t> reserve(const Schedule& schedule);
  /// The same of a graph with repetitions left out (repeats.hpp), as if they were there: nothing where that cannot be told from the two that
  /// are. `layer_begin`: of the graph.
  std::optional<std::span<const std::uint64_t>> reserve(const Schedule& schedule, std::span<const Folding::Run> runs,
                                                        std::span<const std::int32_t> layer_begin);

  /// Of the last graph, by device as reserve() has them: the most bytes that were alive at once.
  std::vector<std::uint64_t> most_alive() const;

 private:
  struct State {
    std::int32_t n_children = 0;
    std::int32_t n_views = 0;
    BlockAllocator::Address address = {};
    std::uint64_t bytes = 0;  ///< On its device.
    std::int8_t device = -1;
    bool allocated = false;
    bool elsewhere = false;  ///< A view, or in a buffer of its own: never allocated here.
  };
  /// A tensor that the first repetition has from before the run, and the one that the second has from the first in its place.
  struct Carried {
    std::int32_t before = -1, by_first = -1;
  };
  /// A copy that the second repetition makes, and its like in the first one, or −1.
  struct Copy {
    std::int32_t first = -1, second = -1;
  };
  /// A run of layers with repetitions left out (Folding::Run), in terms of the schedule.
  struct Replay {
    std::int32_t first = 0, second = 0, end = 0;  ///< First tensors of the two repetitions and of what follows.
    std::size_t begin_step = 0, end_step = 0;     ///< Of the second repetition.
    std::size_t n_left_out = 0;
    std::vector<Carried> carried;
    std::vector<Copy> copies;
    std::vector<std::int32_t> only_last;  ///< Copies among its steps that only what follows the run needs.
    std::vector<std::int32_t> inputs;  ///< Leafs of the second repetition that are allocated with the graph.
    std::vector<BlockAllocator::Address> input_addresses;  ///< Of the inputs of each repetition that is left out.
    std::vector<State> initial;                            ///< Of the tensors from `first` to `end` before the first step.
    std::vector<State> initial_copies;                     ///< The same of `copies`.
    std::vector<State> found;                              ///< Of those of the first repetition where the second one begins.
    std::vector<State> found_before;                       ///< The same of the tensors that it has from before.
    std::vector<State> found_copies;
    bool same_readers = false;  ///< What follows the run reads of it what a further repetition would read.
  };

  Backend backend_of(std::int8_t device) const;
  void place(std::int32_t id, std::int8_t device);
  bool reuse_source(std::int32_t id);
  void allocate(std::int32_t id, std::int8_t device);
  void release(std::int32_t id);
  void begin(const Schedule& schedule);
  void step(const Step& step);
  std::span<const std::uint64_t> peaks();

  // Repetitions that are left out (replay.cpp).
  std::optional<Replay> find_steps(const Folding::Run& run, std::span<const std::int32_t> layer_begin);
  void allocate_inputs(Replay& r);
  bool match_sources(Replay& r, std::size_t first_step);
  void add_copy(Replay& r, std::int32_t id);
  bool is_only_last(const Replay& r, std::int32_t id) const;
  bool is_older(const Replay& r, std::int32_t src) const;
  void add_readers(const Replay& r, std::int32_t times);
  bool older_live_on(const Replay& r) const;
  void remember_initial(Replay& r);
  bool replay(Replay& r);
  void begin_pass(const Replay& r, std::size_t pass);
  bool hand_over(const Replay& r);
  std::vector<std::uint64_t> state(const Replay& r, bool after) const;

  const Schedule* schedule_ = nullptr;
  std::vector<State> states_;
  std::vector<BlockAllocator> allocators_;
  std::vector<std::uint64_t> sizes_;
  std::vector<Replay> replays_;
};

}  // namespace canirun
