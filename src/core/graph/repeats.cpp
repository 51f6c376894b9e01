#include "graph/repeats.hpp"

namespace canirun {
namespace {

constexpr std::size_t k_longest_pattern = 16;
constexpr std::size_t k_kept = 3;  // the first one sees another state, the second one is where it settles, the third one shows it

/// Layers from `begin` on that equal the ones a pattern before them, and that pattern.
std::size_t run_length(std::span<const std::uint64_t> kinds, std::size_t begin, std::size_t pattern)
{
  auto end = begin + pattern;
  while (end < kinds.size() && kinds[end] == kinds[end - pattern]) ++end;
  return end - begin;
}

}  // namespace

std::optional<Folding> fold_layers(std::span<const std::uint64_t> kinds, std::size_t stride)
{
  Folding folding;
  std::size_t il = 0;
  const auto keep = [&](std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) folding.layers.push_back(static_cast<std::uint32_t>(il++));
  };
  while (il < kinds.size()) {
    std::size_t most = 0, period = 0;
    for (std::size_t pattern = 1; pattern <= k_longest_pattern && il + pattern < kinds.size(); ++pattern) {
      const auto repetitions = run_length(kinds, il, pattern) / (pattern * stride);
      const auto skipped = repetitions > k_kept ? (repetitions - k_kept) * pattern * stride : 0;
      if (skipped <= most) continue;
      most = skipped;
      period = pattern * stride;
    }
    if (most == 0) {
      keep(1);
      continue;
    }
    const auto run = folding.layers.size();
    folding.checks.push_back({run, run + (k_kept - 1) * period, run + k_kept * period});
    keep(k_kept * period);
    il += most;
  }
  if (folding.checks.empty()) return std::nullopt;
  return folding;
}

}  // namespace canirun
