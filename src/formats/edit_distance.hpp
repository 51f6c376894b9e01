#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace canirun {

/// Letters to insert, delete or change to turn `a` into `b` (Levenshtein).
inline std::size_t edit_distance(std::string_view a, std::string_view b)
{
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

/// Distance for suggestions: the beginning of a longer name is near it, whatever its length.
inline std::size_t name_distance(std::string_view typed, std::string_view known)
{
  if (typed.size() >= 3 && known.starts_with(typed)) return 1;
  const auto longer = std::max(typed.size(), known.size());
  const auto shorter = std::min(typed.size(), known.size());
  const bool inside = typed.size() >= 3 && known.find(typed) != std::string_view::npos;
  const auto edits = longer - shorter > longer / 2 ? longer : edit_distance(typed, known);
  return inside ? std::min<std::size_t>(2, edits) : edits;
}

/// The nearest of `known` to `typed`, or "" when none is near: more than a third of the letters differ.
template <typename Names>
std::string_view nearest(std::string_view typed, const Names& known)
{
  std::string_view best;
  std::size_t least = std::max<std::size_t>(2, typed.size() / 3) + 1;
  for (const std::string_view k : known) {
    if (const auto d = name_distance(typed, k); d < least) least = d, best = k;
  }
  return best;
}

}  // namespace canirun
