#include "row.hpp"

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

}  // namespace canirun
