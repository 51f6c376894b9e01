#pragma once

#include <vector>

#include "models.hpp"

namespace canirun {

/// `evaluate` for each subject, on as many threads as the machine has cores (8 at most); results in the order of the subjects.
std::vector<ModelReport> evaluate_all(const std::vector<AskedModel>& subjects, const HardwareProfile& hardware,
                                      const Question& question);

/// Ranks in place: "grade" (best first, then larger), "speed", "memory" (least first), "params", "context", "name", "release".
/// Models without a grade come last; ties by id.
void sort_models(std::vector<ModelReport>& models, std::string_view key);

}  // namespace canirun
