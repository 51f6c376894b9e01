#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// \file
/// Layers repeat, and so does what the allocator does with them. A graph with two repetitions of each pattern is enough: the allocator
/// takes the second one again and again until all are done, or until nothing new can come (replay.cpp).

namespace canirun {

/// Layers to build instead of all.
struct Folding {
  /// Two repetitions of a pattern that stand for two and `n_left_out` more, as visits of layers, counted in `layers`: the first
  /// repetition begins at `first`, the second at `second` and ends before `end`.
  struct Run {
    std::size_t first = 0, second = 0, end = 0;
    std::size_t n_left_out = 0;
  };
  std::vector<std::uint32_t> layers;
  std::vector<Run> runs;
};

/// Leaves out repetitions. `kinds`: one number a layer, equal where the graph and its devices are. Nothing when no layer can be left out.
std::optional<Folding> fold_layers(std::span<const std::uint64_t> kinds);

}  // namespace canirun
