#include "gguf_tensors.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

namespace canirun {

namespace {

std::uint64_t width(const FileTensor& t, std::size_t dimension) { return dimension < t.shape.size() ? t.shape[dimension] : 1; }
std::uint32_t width32(const FileTensor& t, std::size_t dimension)
{
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(width(t, dimension), UINT32_MAX));
}

/// "blk.12.attn_q.weight" → 12 and "attn_q.weight"; other names have no layer.
struct LayerName {
  std::optional<std::uint32_t> layer;
  std::string_view part;
};
LayerName split_name(std::string_view name)
{
  constexpr std::string_view k_block = "blk.";
  if (!name.starts_with(k_block)) return {{}, name};
  std::uint32_t layer = 0;
  const auto* end = name.data() + name.size();
  const auto [at, status] = std::from_chars(name.data() + k_block.size(), end, layer);
  if (status != std::errc{} || at == end || *at != '.') return {{}, name};
  return {layer, std::string_view(at + 1, static_cast<std::size_t>(end - at - 1))};
}

QkNorm qk_norm_of(const ModelSpec& spec, const FileTensor& norm, std::uint32_t il)
{
  if (norm.shape.size() > 1 && width(norm, 1) > 1) return QkNorm::per_head_each;
  const auto head = spec.is_swa(il) ? spec.head_dim_k_swa : spec.head_dim_k;
  return width(norm, 0) == head && spec.n_head(il) != 1 ? QkNorm::per_head : QkNorm::full_width;
}

void read_model_tensor(ModelSpec& spec, std::string_view name, const FileTensor& t)
{
  if (name == "output.weight") spec.tied_embeddings = false;
  if (name == "output.bias") spec.lm_head_bias = true;
  if (name == "output_norm.bias" || name == "token_embd_norm.bias") spec.norm_bias = true;
  if (name == "position_embd.weight") spec.n_pos_emb = width32(t, 1);
  if (name == "token_types.weight") spec.n_token_types = width32(t, 1);
  if (name == "cls.output.weight") spec.n_cls_out = width32(t, 1);
  if (name.starts_with("rope_freqs") || name.starts_with("rope_factors")) spec.rope_freqs = true;
  if (name == "per_layer_token_embd.weight" && spec.n_layer) {
    spec.per_layer_embd = PerLayerEmbedding{width32(t, 0) / spec.n_layer, width32(t, 1)};
  }
}

void read_attention_tensor(ModelSpec& spec, std::uint32_t il, std::string_view part, const FileTensor& t)
{
  auto& a = spec.attn;
  if (part == "attn_q_norm.weight") a.qk_norm = qk_norm_of(spec, t, il);
  if (part == "attn_q_norm.bias") a.qk_norm_bias = true;
  if (part == "attn_q.bias" || part == "attn_qkv.bias") a.bias_qkv = true;
  if (part == "attn_output.bias") a.bias_o = true;
  if (part == "attn_gate.weight" && !spec.is_recurrent(il)) {
    a.out_gate = width(t, 1) == spec.n_head(il) ? OutGate::per_head : OutGate::separate;
  }
  const auto head = spec.is_swa(il) ? spec.head_dim_k_swa : spec.head_dim_k;
  const auto q_width = std::uint64_t{spec.n_head(il)} * head;
  if (part == "attn_q.weight" && !spec.mla && q_width > 0 && width(t, 1) == 2 * q_width) a.out_gate = OutGate::full;
}

void read_ffn_tensor(ModelSpec& spec, std::uint32_t il, std::string_view part, const FileTensor& t)
{
  if (part == "ffn_up.bias" || part == "ffn_down.bias") spec.ffn_bias = true;
  if (part == "attn_norm.bias") spec.norm_bias = true;
  if (part == "ffn_gate.weight" || part == "ffn_gate_exps.weight" ||
      (part == "ffn_up.weight" && width(t, 1) == 2 * std::uint64_t{spec.n_ff(il)}))
    spec.ffn_gated = true;
  if (!spec.moe) return;
  auto& moe = *spec.moe;
  if (part == "ffn_down_exps.weight") moe.n_ff_expert = std::max(moe.n_ff_expert, width32(t, 0));
  if (part == "ffn_down_shexp.weight") moe.n_ff_shared = width32(t, 0);
  if (part == "ffn_down_chexps.weight") moe.n_ff_chunk = width32(t, 0);
  if (part == "ffn_gate_exps.weight" || part == "ffn_gate_up_exps.weight") moe.gated = true;
  if (part == "ffn_up_exps.weight" && width(t, 0) != spec.n_embd) moe.expert_latent = width32(t, 0);
  if (part == "ffn_latent_norm.weight" || part == "ffn_routed_norm.weight") moe.latent_norm = true;
  if (part == "exp_probs_b.bias" || part == "exp_probs_b" || part == "ffn_gate_inp.bias") moe.router_bias = true;
  if (part == "ffn_gate_inp_shexp.weight") moe.shared_gate = true;
  if (part == "ffn_up_exps.bias" || part == "ffn_gate_up_exps.bias") moe.expert_bias = true;
}

void read_ssm_tensor(ModelSpec& spec, std::string_view part)
{
  if (!spec.ssm) return;
  if (part == "ssm_conv1d.bias") spec.ssm->conv_bias = true;
  if (part == "ssm_norm.weight") spec.ssm->norm = true;
  if (part == "ssm_dt_norm.weight") spec.ssm->dt_b_c_norm = true;
}

}  // namespace

void read_from_tensors(ModelSpec& spec)
{
  if (spec.tensors.empty()) return;
  spec.tied_embeddings = true;
  spec.ffn_gated = false;
  if (spec.moe) spec.moe->gated = false;
  if (spec.ssm) spec.ssm->norm = false;
  std::set<std::uint32_t> expert_layers;
  std::set<std::uint32_t> value_layers;
  std::set<std::uint32_t> indexer_layers;
  std::set<std::uint32_t> sink_layers;
  std::uint32_t norms_in_layer_0 = 0;

  for (const auto& t : spec.tensors) {
    const auto [layer, part] = split_name(t.name);
    if (!layer) {
      read_model_tensor(spec, part, t);
      continue;
    }
    const auto il = *layer;
    if (il >= spec.n_layer) continue;  // an MTP block
    read_attention_tensor(spec, il, part, t);
    read_ffn_tensor(spec, il, part, t);
    read_ssm_tensor(spec, part);
    if (part.find("_exps.") != std::string_view::npos) expert_layers.insert(il);
    if (part == "attn_v.weight") value_layers.insert(il);
    if (part.starts_with("indexer.")) indexer_layers.insert(il);
    if (part == "attn_sinks.weight") sink_layers.insert(il);
    const bool block_norm = part == "attn_norm.weight" || part == "attn_norm_2.weight" || part == "ffn_norm.weight" ||
                            part == "post_attention_norm.weight" || part == "post_ffw_norm.weight" ||
                            part == "attn_output_norm.weight" || part == "layer_output_norm.weight";
    if (il == 0 && block_norm) ++norms_in_layer_0;
  }

  if (norms_in_layer_0) spec.norms_per_layer = norms_in_layer_0;
  if (spec.moe) {
    // What a file has decides; keys only say how many experts there are.
    spec.moe->n_layer_dense_lead = 0;
    spec.moe->dense_layers.clear();
    for (std::uint32_t il = 0; il < spec.n_layer; ++il) {
      if (!expert_layers.contains(il)) spec.moe->dense_layers.push_back(il);
    }
  }
  if (spec.mla && spec.mla->indexer_n_head && !indexer_layers.empty() && indexer_layers.size() < spec.n_layer) {
    spec.mla->indexer_layers.assign(indexer_layers.begin(), indexer_layers.end());
  }
  spec.attn.sinks = !sink_layers.empty();
  spec.attn.sinks_swa_only =
      !sink_layers.empty() && spec.swa && std::ranges::all_of(sink_layers, [&](auto il) { return spec.is_swa(il); });
  if (spec.arch == "gemma4") {
    for (std::uint32_t il = 0; il < spec.n_layer; ++il)
      spec.k_eq_v = spec.k_eq_v || (!spec.is_swa(il) && !value_layers.contains(il));
  }
}

}  // namespace canirun
