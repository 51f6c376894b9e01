#include "graph/repeats.hpp"

#include <algorithm>

namespace canirun {
namespace {

constexpr std::size_t k_longest_pattern = 16;
// The first repetition finds another state than the others.
constexpr std::size_t k_kept = 2;
// The last layer keeps the rows of the outputs only, and a split before it may copy what only it needs.
constexpr std::size_t k_last_layers = 2;

/// Layers from `begin` on that equal the ones a pattern before them, and that pattern.
std::size_t run_length(std::span<const std::uint64_t> kinds, std::size_t begin, std::size_t pattern)
{
  auto end = begin + pattern;
  while (end < kinds.size() && kinds[end] == kinds[end - pattern]) ++end;
  return end - begin;
}

}  // namespace

std::optional<Folding> fold_layers(std::span<const std::uint64_t> kinds)
{
  Folding folding;
  std::size_t il = 0;
  const auto keep = [&](std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) folding.layers.push_back(static_cast<std::uint32_t>(il++));
  };
  const auto repeating = kinds.first(kinds.size() - std::min(k_last_layers, kinds.size()));
  while (il < repeating.size()) {
    std::size_t most = 0, period = 0;
    for (std::size_t pattern = 1; pattern <= k_longest_pattern && il + pattern < repeating.size(); ++pattern) {
      const auto repetitions = run_length(repeating, il, pattern) / pattern;
      const auto left_out = repetitions > k_kept ? repetitions - k_kept : 0;
      if (left_out * pattern <= most * period) continue;
      most = left_out;
      period = pattern;
    }
    if (most == 0) {
      keep(1);
      continue;
    }
    const auto first = folding.layers.size();
    folding.runs.push_back({first, first + period, first + k_kept * period, most});
    keep(k_kept * period);
    il += most * period;
  }
  if (folding.runs.empty()) return std::nullopt;
  keep(kinds.size() - il);
  return folding;
}

}  // namespace canirun
