#include "best_quant.hpp"

#include <algorithm>

namespace canirun {

namespace {

const QuantChoice* row_of(std::span<const QuantChoice> rows, FileType type)
{
  const auto it = std::ranges::find(rows, type, &QuantChoice::quant);
  return it == rows.end() ? nullptr : &*it;
}

}  // namespace

std::optional<std::size_t> best_quant(std::span<const QuantChoice> rows)
{
  const auto* q4_k_m = row_of(rows, FileType::Q4_K_M);
  const auto* q4_k_s = row_of(rows, FileType::Q4_K_S);
  BitsPerWeight least{0};
  if (q4_k_m && q4_k_m->letter >= Letter::C) least = q4_k_s ? q4_k_s->bits : q4_k_m->bits;

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

}  // namespace canirun
