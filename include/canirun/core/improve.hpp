#pragma once

#include <optional>
#include <string>

#include "canirun/core/evaluate.hpp"

namespace canirun {

/// A change that raises the grade of one row.
struct Improvement {
  enum class Kind { cache_type, context, gpu, memory, bandwidth };
  Kind kind = Kind::cache_type;
  Letter letter = Letter::F;  ///< The grade with the change.
  std::string text;  ///< "A with --cache-type-k q8_0 --cache-type-v q8_0", "B at 16k context", "A with one more RTX 3090".
};

/// The smallest change that would raise the grade of `model` at `quant`, in the order of what it costs: cache types, context, one
/// more card of the kind that is there, more memory, more bandwidth. Every answer was graded by the same chain. Nothing for an S,
/// or when none of them helps.
std::optional<Improvement> smallest_change(const ModelSpec& model, FileType quant, const HardwareProfile& hardware,
                                           const Question& question);

}  // namespace canirun
