#pragma once

#include <string_view>

#include "canirun/core/checkpoint.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "plan_layers.hpp"

/// \file
/// What a tensor takes in a Hugging Face checkpoint of a type, as vLLM and transformers hold it (docs/vllm.md, docs/transformers.md).
/// Plans give names and shapes; their ggml types do not count.

namespace canirun {

/// A tensor and what it is called in its block.
struct NamedTensor : PlannedTensor {
  std::string_view name;
};
NamedTensor named(const TensorPlan& plan, const PlannedTensor& t);

/// More than one row, and no bias.
bool is_matrix(const NamedTensor& t);
/// Rope factors are computed, not loaded; MTP blocks are skipped.
bool is_in_checkpoint(const NamedTensor& t);
/// True for the linear layers that the type quantises. Routers, convolutions and parameters of states stay as they are, and so do
/// embeddings and the output matrix (quantisation configs list lm_head under ignored layers).
bool is_quantised(const NamedTensor& t, CheckpointType type);
/// Bytes of one weight with its share of scales and zeros. `t.ne[0]` inputs of a row share scales in groups.
double checkpoint_bytes_per_weight(const NamedTensor& t, CheckpointType type);

/// The plan with ggml types that cost about as much to read, for the speed law.
TensorPlan checkpoint_speed_plan(TensorPlan plan, CheckpointType type);

/// The layers of a plan without types by kind: those of one kind have the same tensors, by name, shape and heads.
PlanLayers checkpoint_layers(const ModelSpec& model, const TensorPlan& plan);

/// Σ of `of(NamedTensor)` over the tensors of the checkpoint.
template <typename Of>
double checkpoint_sum(const TensorPlan& plan, const PlanLayers& layers, Of of)
{
  const auto value = [&](std::uint32_t i) {
    const auto t = named(plan, plan.tensors[i]);
    return is_in_checkpoint(t) ? of(t) : 0.0;
  };
  double sum = 0;
  for (const auto& kind : layers.kinds()) {
    double layer = 0;
    for (const auto i : kind.tensors) layer += value(i);
    sum += kind.n_layers * layer;
  }
  for (const auto i : layers.outside()) sum += value(i);
  return sum;
}

}  // namespace canirun
