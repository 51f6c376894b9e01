#pragma once

#include <vector>

#include "canirun/core/evaluate.hpp"

namespace canirun {

/// The rows of `report` at other contexts: powers of two from 2048 tokens up to the trained context (and that one), each graded by
/// `evaluate` at its own best placement. `report` is what `evaluate` returned for the same model, machine and question.
std::vector<ContextColumn> context_columns(const ModelSpec& model, const ModelReport& report, const HardwareProfile& hardware,
                                           const Question& question);

}  // namespace canirun
