#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "models.hpp"

namespace canirun {

/// Calls `work_on` for 0 … n − 1, each once, on as many threads as the machine has cores (8 at most). The first exception comes through.
void on_all_cores(std::size_t n, const std::function<void(std::size_t)>& work_on);

/// `evaluate` for each subject, on as many threads as the machine has cores (8 at most); results in the order of the subjects.
std::vector<ModelReport> evaluate_all(const std::vector<AskedModel>& subjects, const HardwareProfile& hardware,
                                      const Question& question);

/// Ranks in place: "grade" (best first, then larger), "speed", "memory" (least first), "params", "context", "name", "release".
/// Models without a grade come last; ties by id.
void sort_models(std::vector<ModelReport>& models, std::string_view key);

}  // namespace canirun
