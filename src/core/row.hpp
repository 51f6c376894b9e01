#pragma once

#include "placement_search.hpp"

namespace canirun {

/// A model's tensors at one file type; a file keeps its own types.
TensorPlan plan_of(const ModelSpec& model, FileType quant);

/// The workload of a question as this model runs it.
Workload workload_of(const ModelSpec& model, const Question& question);

/// One row of `evaluate`: the best placement of a planned model on a machine.
Trial grade_row(const ModelSpec& model, const TensorPlan& plan, const HardwareProfile& hardware, const Question& question);
/// The same with estimates kept between calls that differ in hardware only.
Trial grade_row(const ModelSpec& model, const TensorPlan& plan, const HardwareProfile& hardware, const Question& question,
                MemoryCache& memory);

/// The least room that a row leaves on its devices, as a share of their budgets; 1 where it uses none.
double headroom_of(const QuantReport& row);

}  // namespace canirun
