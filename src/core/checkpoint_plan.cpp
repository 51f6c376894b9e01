#include "checkpoint_plan.hpp"

namespace canirun {

CheckpointPlan::CheckpointPlan(const ModelSpec& model, const Workload& workload)
    : model_(model),
      workload_(workload),
      plan_(declare_tensors(model)),
      layers_(checkpoint_layers(model, plan_)),
      caches_(cache_layers(model, workload, resolve(workload, model)))
{
}

SpeedEstimate CheckpointPlan::speed(CheckpointType type, const Placement& placement, const HardwareProfile& hardware)
{
  auto it = work_.find(type);
  // On the CPU backend every type has kernels: what a checkpoint's own program cannot use it has refused before.
  if (it == work_.end()) it = work_.emplace(type, plan_work(checkpoint_speed_plan(plan_, type), layers_, Backend::cpu)).first;
  auto speed = estimate_speed(model_, it->second, caches_, workload_, placement, hardware);
  speed.basis = SpeedBasis::assumed;
  return speed;
}

}  // namespace canirun
