#pragma once

#include <optional>
#include <string>

#include "canirun/core/evaluate.hpp"

namespace canirun {

/// A change that raises the grade of one row.
struct Improvement {
  /// In the order of what they cost: flags, one more card, more memory or bandwidth of what is there, both of them, a first card.
  enum class Kind { cache_type, context, gpu, memory, bandwidth, memory_and_bandwidth, first_gpu };
  Kind kind = Kind::cache_type;
  Letter letter = Letter::F;  ///< The grade with the change.
  std::string text;  ///< "A with --cache-type-k q8_0", "B at 16k context", "A with one more RTX 3090", "S on a card with 24 GiB".
  HardwareProfile hardware;  ///< The machine and the question with the change: evaluated, the row has `letter`.
  Question question;
};

/// The smallest change that would raise the grade of `model` at `quant`: the first that does in the order of its kinds, of RAM before
/// cards, in the smallest amount (a GiB, 10 GB/s, for images a card faster by a tenth). Every answer was graded by the same chain. Nothing for an S, or when none helps.
std::optional<Improvement> smallest_change(const ModelSpec& model, FileType quant, const HardwareProfile& hardware,
                                           const Question& question);
/// The same of any row that `evaluate` made for the question: of a checkpoint, of an image, video or speech model.
std::optional<Improvement> smallest_change(const ModelSpec& model, const ModelFacts& facts, const QuantReport& row,
                                           const HardwareProfile& hardware, const Question& question);

}  // namespace canirun
