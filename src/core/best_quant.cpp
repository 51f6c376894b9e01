#include "best_quant.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace canirun {

namespace {

std::optional<std::size_t> row_of(std::span<const QuantChoice> rows, FileType type)
{
  const auto it = std::ranges::find(rows, type, &QuantChoice::quant);
  return it == rows.end() ? std::nullopt : std::optional(static_cast<std::size_t>(it - rows.begin()));
}

/// Bits below which a row is no candidate while Q4_K_M, row `q4_k_m`, is usable.
BitsPerWeight usable_bits(std::span<const QuantChoice> rows, std::size_t q4_k_m)
{
  return rows[row_of(rows, FileType::Q4_K_S).value_or(q4_k_m)].bits;
}

}  // namespace

void cap_requantised(std::span<QuantChoice> rows, FileType native)
{
  const auto published = row_of(rows, native);
  if (!published) return;
  const BitsPerWeight below{std::nextafter(rows[*published].bits.value, 0.0)};
  for (auto& row : rows) {
    if (row.requantised) row.bits = std::min(row.bits, below);
  }
}

std::optional<std::size_t> best_quant(std::span<const QuantChoice> rows)
{
  BitsPerWeight least{0};
  if (const auto q4_k_m = row_of(rows, FileType::Q4_K_M); q4_k_m && rows[*q4_k_m].letter >= Letter::C)
    least = usable_bits(rows, *q4_k_m);

  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& row = rows[i];
    if (row.bits < least) continue;
    if (!best) {
      best = i;
      continue;
    }
    const auto& top = rows[*best];
    // Grades B and better count as equal: among them bits decide.
    const auto rank = std::min(row.letter, Letter::B);
    const auto top_rank = std::min(top.letter, Letter::B);
    if (rank > top_rank || (rank == top_rank && row.bits > top.bits)) best = i;
  }
  return best;
}

std::optional<std::size_t> best_quant(std::span<QuantChoice> rows, const std::function<Letter(std::size_t)>& letter_of)
{
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return rows[a].bits > rows[b].bits; });
  std::vector<bool> known(rows.size());
  const auto letter = [&](std::size_t i) {
    if (!known[i]) rows[i].letter = letter_of(i);
    known[i] = true;
    return rows[i].letter;
  };
  const auto q4_k_m = row_of(rows, FileType::Q4_K_M);
  for (const auto i : order) {
    // From here on a usable Q4_K_M rules all rows out: the answer is among those already graded.
    if (q4_k_m && rows[i].bits < usable_bits(rows, *q4_k_m) && letter(*q4_k_m) >= Letter::C) break;
    if (letter(i) >= Letter::B) return i;
  }
  return best_quant(std::span<const QuantChoice>(rows));
}

}  // namespace canirun
