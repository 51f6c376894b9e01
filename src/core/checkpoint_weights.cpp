#include "checkpoint_weights.hpp"

#include <algorithm>

namespace canirun {

namespace {

constexpr double k_group = 128;     // weights that share a scale in published AWQ and GPTQ checkpoints
constexpr double k_nf4_block = 64;  // bitsandbytes/nn/modules.py, Params4bit: blocksize; its absmax is float32 unless nested

bool has(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

}  // namespace

NamedTensor named(const TensorPlan& plan, const PlannedTensor& t) { return {t, plan.roles[t.role].name}; }

bool is_matrix(const NamedTensor& t) { return t.ne[1] > 1 && !t.name.ends_with(".bias"); }

bool is_in_checkpoint(const NamedTensor& t) { return t.loaded && !t.name.starts_with("rope_") && !has(t.name, "rope_factors"); }

bool is_quantised(const NamedTensor& t, CheckpointType type)
{
  if (type == CheckpointType::f32 || type == CheckpointType::f16 || type == CheckpointType::bf16) return false;
  if (t.place != TensorPlace::repeating || !is_matrix(t)) return false;
  if (type == CheckpointType::mxfp4) return t.expert;  // gpt-oss: experts only
  for (const auto part : {"ffn_gate_inp", "norm", "conv1d", "ssm_a", "ssm_d", "ssm_dt", "ssm_ba", "ssm_alpha", "ssm_beta",
                          "sinks", "rel_b", "per_layer", "altup", "laurel", "inp_gate", "proj"}) {
    if (has(t.name, part)) return false;
  }
  return true;
}

double checkpoint_bytes_per_weight(const NamedTensor& t, CheckpointType type)
{
  if (type == CheckpointType::f32) return 4;
  if (!is_quantised(t, type)) return 2;
  const auto row = static_cast<double>(t.ne[0]);
  switch (type) {
    case CheckpointType::fp8: return 1 + 4 / row;                // one float32 scale an output channel
    case CheckpointType::int8: return 1 + 4 / row;               // bitsandbytes: SCB, the same
    case CheckpointType::nf4: return 0.5 + 4 / k_nf4_block;      // one float32 absmax a block
    case CheckpointType::awq: return 0.5 + (2 + 0.5) / k_group;  // fp16 scale and 4-bit zero a group
    case CheckpointType::gptq: return 0.5 + 2 / k_group;         // symmetric: no zeros after repacking
    case CheckpointType::mxfp4: return 0.5 + 1 / 32.0;           // one byte of scale for 32 weights
    default: return 2;
  }
}

TensorPlan checkpoint_speed_plan(TensorPlan plan, CheckpointType type)
{
  for (auto& tensor : plan.tensors) {
    const auto t = named(plan, tensor);
    if (type == CheckpointType::f32) tensor.type = TensorType::f32;
    else if (!is_quantised(t, type)) tensor.type = is_matrix(t) ? TensorType::bf16 : TensorType::f32;
    else if (type == CheckpointType::fp8 || type == CheckpointType::int8) tensor.type = TensorType::q8_0;
    else tensor.type = type == CheckpointType::mxfp4 ? TensorType::mxfp4 : TensorType::q4_0;
  }
  return plan;
}

PlanLayers checkpoint_layers(const ModelSpec& model, const TensorPlan& plan)
{
  std::vector<std::uint32_t> sites;
  sites.reserve(plan.tensors.size());
  for (const auto& t : plan.tensors) {
    const auto il = std::min(t.layer, std::max(model.n_layer, 1u) - 1);
    sites.push_back(static_cast<std::uint32_t>(t.role) << 16 ^ model.n_head(il) << 8 ^ model.n_head_kv(il));
  }
  return {model, plan, sites};
}

}  // namespace canirun
