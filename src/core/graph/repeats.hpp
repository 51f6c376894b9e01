#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// \file
/// Layers repeat, and so does what the allocator does with them: once it is in the same state at the end of a repetition as at its
/// beginning, further ones change nothing. A graph with a few repetitions of each pattern then has the compute buffer of the whole one,
/// and the allocator can tell whether that held (allocate.hpp).

namespace canirun {

/// Layers to build instead of all.
struct Folding {
  /// Visits of layers, counted in `layers`: at the begin of `second` (or past the last one) the allocator must be in the state that it
  /// had at the begin of `first`. The run of repetitions begins at `run`.
  struct Check {
    std::size_t run = 0, first = 0, second = 0;
  };
  std::vector<std::uint32_t> layers;
  std::vector<Check> checks;
};

/// How many repetitions stay. The first of them sees another state than the others; the last one shows that the state has settled.
struct FoldingTry {
  std::size_t stride = 1;  ///< Shortest patterns in a repetition: 2 where states alternate.
  std::size_t kept = 2;
};
/// What to try, in the order of how often it is enough.
inline constexpr std::array<FoldingTry, 4> k_folding_tries{{{1, 2}, {1, 3}, {2, 2}, {3, 2}}};

/// Leaves out repetitions. `kinds`: one number a layer, equal where the graph and its devices are. Nothing when no layer can be left out.
std::optional<Folding> fold_layers(std::span<const std::uint64_t> kinds, FoldingTry how);

}  // namespace canirun
