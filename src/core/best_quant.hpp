#pragma once

#include <functional>
#include <optional>
#include <span>

#include "canirun/core/report.hpp"

namespace canirun {

/// What decides between the rows of a model.
struct QuantChoice {
  FileType quant = FileType::F16;
  BitsPerWeight bits;
  Letter letter = Letter::F;
  bool requantised = false;  ///< Made from weights that were published in fewer bits, none of which it keeps.
};

/// A requantised row is worth less than the published weights, whatever bits it spends: its `bits` become at most just below those of
/// row `native`. Without that row the rows stay as they are.
void cap_requantised(std::span<QuantChoice> rows, FileType native);

/// Index of the best row (docs/grading.md, "Best quantisation"): of the candidates with grade B or better the one with most bits;
/// if none, the best grade, then more bits, then the earlier. When Q4_K_M grades C or better, only rows with at least the bits of
/// Q4_K_S are candidates. Nothing for no rows.
std::optional<std::size_t> best_quant(std::span<const QuantChoice> rows);

/// The same where grading a row is expensive: `letter_of(i)` is asked from most bits down, once a row, and no further than the answer
/// needs. The letters of `rows` are filled in as they become known.
std::optional<std::size_t> best_quant(std::span<QuantChoice> rows, const std::function<Letter(std::size_t)>& letter_of);

}  // namespace canirun
