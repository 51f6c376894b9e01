#include "row.hpp"

#include <algorithm>

namespace canirun {

TensorPlan plan_of(const ModelSpec& model, FileType quant) { return tensor_plan(model, quant); }

Workload workload_of(const ModelSpec& model, const Question& question)
{
  auto workload = question.workload;
  workload.embeddings = workload.embeddings || model.kind == ModelKind::embedding;
  return workload;
}

Trial grade_row(const ModelSpec& model, const TensorPlan& plan, const HardwareProfile& hardware, const Question& question)
{
  MemoryCache memory(model, plan);
  return grade_row(model, plan, hardware, question, memory);
}

Trial grade_row(const ModelSpec& model, const TensorPlan& plan, const HardwareProfile& hardware, const Question& question,
                MemoryCache& memory)
{
  const auto machine = examine(hardware, question);
  return find_placement({model, plan, machine, workload_of(model, question), memory}, question.placement);
}

double headroom_of(const QuantReport& row)
{
  double least = 1;
  for (const auto& d : row.devices) {
    if (d.parts.total().count == 0) continue;
    least = std::min(least,
                     d.budget.count == 0 ? -1.0 : static_cast<double>(d.headroom_bytes()) / static_cast<double>(d.budget.count));
  }
  return least;
}

}  // namespace canirun
