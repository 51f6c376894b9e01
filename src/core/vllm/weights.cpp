#include <algorithm>
#include <string_view>

#include "checkpoint_weights.hpp"
#include "vllm/vllm.hpp"

namespace canirun {

namespace {

constexpr std::uint64_t k_vocab_pad = 64;  // vllm/model_executor/layers/vocab_parallel_embedding.py: DEFAULT_VOCAB_PADDING_SIZE

bool has(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

/// Parts that one rank of `n` holds of a tensor: 1/n of parallel layers, all of the others.
double share_of_rank(const ModelSpec& model, const NamedTensor& t, std::uint32_t n)
{
  if (n == 1) return 1;
  if (t.place != TensorPlace::repeating) return is_matrix(t) ? 1.0 / n : 1;
  if (!is_matrix(t)) return t.expert ? 1.0 / n : 1;
  for (const auto part : {"ffn_gate_inp", "attn_q_a.", "attn_kv_a_mqa", "norm", "ffn_latent"}) {
    if (has(t.name, part)) return 1;
  }
  const double heads = model.n_head(t.layer), kv = std::max(1u, model.n_head_kv(t.layer));
  const double kv_share = std::max(1.0, kv / n) / kv;  // fewer heads than ranks: each has a copy
  if (has(t.name, "attn_k.") || has(t.name, "attn_v.")) return kv_share;
  if (has(t.name, "attn_qkv.") && heads > 0) return (heads / n + 2 * kv * kv_share) / (heads + 2 * kv);
  return 1.0 / n;
}

/// Numbers of a tensor on all of `n` ranks together, with what is padded. The MXFP4 kernels want the width of the model in multiples
/// of 256 and an expert's width on a rank in multiples of 128 (quantization/mxfp4.py, Marlin; the Triton kernels pad a little less).
std::uint64_t padded_elements(const NamedTensor& t, CheckpointType type, std::uint32_t n)
{
  if (t.name == "token_embd.weight" || t.name == "output.weight") return t.ne[0] * pad_to(t.ne[1], k_vocab_pad);
  if (type != CheckpointType::mxfp4 || !is_quantised(t, type)) return t.n_elements();
  const bool down = has(t.name, "ffn_down");
  const auto width = pad_to(t.ne[down ? 1 : 0], 256), expert = n * pad_to(t.ne[down ? 0 : 1] / n, 128);
  return width * expert * t.ne[2] * t.ne[3];
}

double weights_of(const ModelSpec& model, const TensorPlan& plan, const PlanLayers& layers, CheckpointType type, std::uint32_t n)
{
  return checkpoint_sum(plan, layers, [&](const NamedTensor& t) {
    return static_cast<double>(padded_elements(t, type, n)) * checkpoint_bytes_per_weight(t, type) * share_of_rank(model, t, n);
  });
}

/// Latent attention keeps kv_b a second time, in 16 bits, split for the absorbed products (mla_attention.py: W_UV, W_UK_T).
double absorbed_copies(const ModelSpec& model, std::uint32_t n)
{
  if (!model.is_mla()) return 0;
  double sum = 0;
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    if (model.is_recurrent(il)) continue;
    sum += 2.0 * model.n_head(il) * (model.mla->qk_nope_head_dim + model.mla->v_head_dim) * model.mla->kv_lora_rank / n;
  }
  return sum;
}

}  // namespace

Bytes vllm_weights(const ModelSpec& model, const TensorPlan& plan, const PlanLayers& layers, CheckpointType type,
                   std::uint32_t n_ranks)
{
  return {static_cast<std::uint64_t>(weights_of(model, plan, layers, type, n_ranks) + absorbed_copies(model, n_ranks))};
}

BitsPerWeight vllm_bits(const ModelSpec& model, const TensorPlan& plan, const PlanLayers& layers, CheckpointType type)
{
  const auto n = checkpoint_sum(plan, layers, [](const NamedTensor& t) { return static_cast<double>(t.n_elements()); });
  return {n > 0 ? 8 * weights_of(model, plan, layers, type, 1) / n : 0};
}

}  // namespace canirun
