#pragma once

#include <map>
#include <vector>

#include "checkpoint_weights.hpp"
#include "plan_sums.hpp"

namespace canirun {

/// What a model's checkpoints are on every machine alike: names and shapes of their tensors, layers by kind, the work of a token.
/// The model must outlive it. Not for several threads at a time.
class CheckpointPlan {
 public:
  CheckpointPlan(const ModelSpec& model, const Workload& workload);

  const TensorPlan& tensors() const { return plan_; }  ///< Their types do not count.
  const PlanLayers& layers() const { return layers_; }

  /// The speed law on one placement; a checkpoint is assumed to cost what llama.cpp's type of about its size costs.
  SpeedEstimate speed(CheckpointType type, const Placement& placement, const HardwareProfile& hardware);

 private:
  const ModelSpec& model_;
  const Workload workload_;
  const TensorPlan plan_;
  const PlanLayers layers_;
  const CacheLayers caches_;
  std::map<CheckpointType, PlanWork> work_;
};

}  // namespace canirun
