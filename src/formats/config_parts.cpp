#include "config_parts.hpp"

#include <algorithm>

#include "architectures.hpp"
#include "spec_check.hpp"

namespace canirun {

namespace {

/// "layer_types" of a config, checked against the number of layers; empty when there is none.
std::vector<std::string_view> layer_types(ConfigKeys& in, const ModelSpec& spec)
{
  auto types = in.strings({"layer_types", "layers_block_type"});
  if (!types.empty() && types.size() != spec.n_layer) {
    in.wrong(*in.find({"layer_types", "layers_block_type"}),
             fmt::format("has {} entries for {} layers", types.size(), spec.n_layer));
    types.clear();
  }
  return types;
}

bool is_attention(std::string_view type)
{
  return type.find("attention") != std::string_view::npos && type != "linear_attention";
}

/// Which layers are recurrent, by whichever of its ways a config says it.
std::vector<bool> recurrent_layers(ConfigKeys& in, const ModelSpec& spec, const RecurrentArch& arch)
{
  std::vector<bool> recurrent(spec.n_layer, arch.rule == RecurrentRule::all);
  if (arch.rule == RecurrentRule::all) return recurrent;
  const auto types = layer_types(in, spec);
  const auto pattern = in.string({"hybrid_override_pattern"});
  const auto attention = in.list({"full_attn_idxs", "attn_layer_indices"});
  const auto one_based = in.find_in("linear_attn_config", {"full_attn_layers"});
  const auto period = in.u32({"attn_layer_period"});
  const auto interval = in.u32({"full_attention_interval"}, arch.interval);
  std::vector<std::uint32_t> kda_attention;
  if (one_based) {
    for (const auto* item = in.document().first(*one_based); item; item = in.document().next(*item)) {
      if (item->whole > 0) kda_attention.push_back(static_cast<std::uint32_t>(item->whole - 1));
    }
  }
  if (!pattern.empty() && pattern.size() != spec.n_layer) {
    in.wrong(*in.find({"hybrid_override_pattern"}),
             fmt::format("describes {} layers, there are {}", pattern.size(), spec.n_layer));
    return recurrent;
  }
  const auto listed = [](const std::vector<std::uint32_t>& list, std::uint32_t il) {
    return std::ranges::find(list, il) != list.end();
  };
  for (std::uint32_t il = 0; il < spec.n_layer; ++il) {
    recurrent[il] = !pattern.empty()         ? pattern[il] == 'M'
                    : !types.empty()         ? !is_attention(types[il])
                    : !attention.empty()     ? !listed(attention, il)
                    : !kda_attention.empty() ? !listed(kda_attention, il)
                    : period > 0             ? il % period != in.u32({"attn_layer_offset"})
                                             : interval > 0 && (il + 1) % interval != 0;
  }
  return recurrent;
}

SsmSpec read_ssm(ConfigKeys& in, const ModelSpec& spec, SsmKind kind)
{
  SsmSpec s = spec.ssm.value_or(SsmSpec{});
  s.kind = kind;
  switch (kind) {
    case SsmKind::gated_delta:
      s.d_conv = in.u32({"linear_conv_kernel_dim"}, 4);
      s.d_state = in.required({"linear_key_head_dim"});
      s.n_group = in.required({"linear_num_key_heads"});
      s.dt_rank = in.required({"linear_num_value_heads"});
      s.d_inner = s.dt_rank * in.required({"linear_value_head_dim"});
      break;
    case SsmKind::mamba2:
      s.d_conv = in.u32({"mamba_d_conv", "conv_kernel", "d_conv", "conv_kernel_size"}, 4);
      s.d_state = in.u32({"mamba_d_state", "ssm_state_size", "state_size", "d_state"}, 128);
      s.n_group = in.u32({"mamba_n_groups", "n_groups", "ngroups"}, 1);
      s.dt_rank = in.u32({"mamba_n_heads", "mamba_num_heads", "num_heads"});
      s.d_inner = s.dt_rank * in.u32({"mamba_d_head", "mamba_head_dim", "head_dim"}, 64);
      if (const auto stated = in.u32({"mamba_d_ssm"})) s.d_inner = stated;
      if (s.d_inner == 0) s.d_inner = in.u32({"mamba_expand", "expand"}, 2) * spec.n_embd;
      if (s.dt_rank == 0) s.dt_rank = s.d_inner / 64;
      s.conv_bias = in.boolean({"mamba_conv_bias", "use_conv_bias"}, true);
      s.norm = in.boolean({"mamba_rms_norm"}, true);
      break;
    case SsmKind::mamba1:
      s.d_conv = in.u32({"mamba_d_conv", "conv_kernel", "d_conv"}, 4);
      s.d_state = in.u32({"mamba_d_state", "state_size", "d_state"}, 16);
      s.d_inner = spec.arch == "mamba" ? in.u32({"intermediate_size", "d_inner"}) : 0;
      if (s.d_inner == 0) s.d_inner = in.u32({"mamba_expand", "expand"}, 2) * spec.n_embd;
      s.dt_rank = in.u32({"mamba_dt_rank", "time_step_rank", "dt_rank"}, (spec.n_embd + 15) / 16);
      s.conv_bias = in.boolean({"mamba_conv_bias", "use_conv_bias"}, true);
      break;
    case SsmKind::kda:
      s.d_conv = in.u32_in("linear_attn_config", {"short_conv_kernel_size"}, 4);
      s.head_dim = in.u32_in("linear_attn_config", {"head_dim"}, 128);
      break;
    case SsmKind::shortconv: s.d_conv = in.u32({"conv_L_cache"}, 3); break;
    case SsmKind::rwkv7: {
      s.head_dim = in.u32({"head_dim", "head_size"}, 64);
      s.n_lora_decay = in.u32({"decay_low_rank_dim", "lora_rank_decay"}, s.n_lora_decay);
      s.n_lora_iclr = in.u32({"a_low_rank_dim", "lora_rank_iclr"}, s.n_lora_iclr);
      s.n_lora_value = in.u32({"v_low_rank_dim", "lora_rank_value_residual_mix"}, s.n_lora_value);
      s.n_lora_gate = in.u32({"gate_low_rank_dim", "lora_rank_gate"}, s.n_lora_gate);
      break;
    }
    case SsmKind::rwkv6:
      s.head_dim = in.u32({"head_size", "head_dim"}, 64);
      s.time_mix_extra = in.u32({"lora_rank_tokenshift"}, spec.n_embd >= 4096 ? 64 : 32);
      s.time_decay_extra = in.u32({"lora_rank_decay"}, spec.n_embd >= 4096 ? 128 : 64);
      break;
    case SsmKind::lightning: s.head_dim = spec.head_dim_k; break;
    case SsmKind::none: break;
  }
  return s;
}

}  // namespace

void read_config_recurrent(ConfigKeys& in, ModelSpec& spec)
{
  const auto* arch = recurrent_arch(spec.arch);
  if (!arch) {
    spec.ssm.reset();
    return;
  }
  const auto recurrent = recurrent_layers(in, spec, *arch);
  spec.recurrent_layers.clear();
  for (std::uint32_t il = 0; il < spec.n_layer; ++il) {
    if (recurrent[il]) spec.recurrent_layers.push_back(il);
  }
  const bool by_heads = arch->rule == RecurrentRule::no_kv_heads || arch->rule == RecurrentRule::no_kv_heads_no_ff;
  if (by_heads) {
    const auto pattern = in.string({"hybrid_override_pattern"});
    std::vector<std::uint32_t> kv(spec.n_layer);
    std::vector<std::uint32_t> ff(spec.n_layer);
    for (std::uint32_t il = 0; il < spec.n_layer; ++il) {
      const char kind = il < pattern.size() ? pattern[il] : recurrent[il] ? 'M' : '*';
      kv[il] = kind == '*' ? spec.n_head_kv(il) : 0;
      ff[il] = kind == '-' || kind == 'E' ? spec.n_ff(il) : 0;
    }
    spec.n_head_kv = std::move(kv);
    if (!pattern.empty()) spec.n_ff = std::move(ff);
  }
  spec.ssm = read_ssm(in, spec, arch->kind);
}

void read_config_moe(ConfigKeys& in, ModelSpec& spec)
{
  auto n_expert = in.u32({"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"});
  if (n_expert == 0) n_expert = in.u32_in("ffn_config", {"moe_num_experts"});
  if (n_expert <= 1) {
    spec.moe.reset();
    return;
  }
  MoeSpec moe = spec.moe.value_or(MoeSpec{});
  moe.n_expert = n_expert;
  moe.n_expert_used = in.u32(
      {"num_experts_per_tok", "num_experts_per_token", "moe_top_k", "moe_topk", "moe_k", "top_k_experts", "num_experts_per_topk"},
      in.u32_in("ffn_config", {"moe_top_k"}));
  if (moe.n_expert_used == 0) in.required({"num_experts_per_tok"});
  const auto n_ff = spec.n_ff.varies() ? *std::ranges::max_element(spec.n_ff.each()) : spec.n_ff(0);
  moe.n_ff_expert = in.u32({"moe_intermediate_size", "expert_intermediate_size", "moe_ffn_hidden_size"}, n_ff);
  moe.n_expert_shared = in.u32({"n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert"});
  moe.n_ff_shared = in.u32(
      {"shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size", "share_expert_dim"},
      moe.n_expert_shared * moe.n_ff_expert);
  // A bias that only selects experts: DeepSeek V3 calls it noaux_tc, others have a switch.
  if (const auto method = in.string({"topk_method"}); !method.empty()) moe.router_bias = method == "noaux_tc";
  moe.router_bias = in.boolean({"use_routing_bias", "use_expert_bias", "moe_router_enable_expert_bias"}, moe.router_bias);
  if (spec.arch == "llama4") {
    moe.n_ff_expert = moe.n_ff_shared = n_ff;
    moe.n_expert_shared = 1;
    spec.n_ff = in.u32({"intermediate_size_mlp"}, n_ff);
  }
  if (moe.n_ff_shared && moe.n_expert_shared == 0) moe.n_expert_shared = 1;
  moe.n_layer_dense_lead = in.u32({"first_k_dense_replace", "num_dense_layers", "moe_layer_start_index"});
  moe.expert_latent = in.u32({"moe_latent_size"});

  // Which of the layers have experts: every n-th, or all but a list.
  const auto step = in.u32({"interleave_moe_layer_step", "decoder_sparse_step", "moe_layer_freq_step"}, 1);
  const auto period = in.u32({"expert_layer_period"}, 1);
  const auto offset = in.u32({"expert_layer_offset"});
  const auto dense = in.list({"mlp_only_layers"});
  moe.dense_layers.clear();
  for (std::uint32_t il = moe.n_layer_dense_lead; il < spec.n_layer; ++il) {
    const bool is_dense = (step > 1 && (il + 1) % step != 0) || (period > 1 && il % period != offset % period) ||
                          std::ranges::find(dense, il) != dense.end();
    if (is_dense) moe.dense_layers.push_back(il);
  }
  spec.moe = std::move(moe);
}

void read_config_swa(ConfigKeys& in, ModelSpec& spec)
{
  spec.swa.reset();
  const auto* rule = swa_rule(spec.arch);
  if (!rule || (spec.arch == "exaone4" && spec.n_layer != 64) || !in.boolean({"use_sliding_window"}, true)) return;
  SwaSpec swa;
  swa.window = in.u32({"sliding_window", "attention_chunk_size", "sliding_window_size"}, rule->default_window);
  if (swa.window == 0) return;
  if (rule->fixed_window) swa.window = rule->fixed_window;
  swa.chunked = rule->chunked;
  const auto types = layer_types(in, spec);
  if (!types.empty()) {
    swa.local.resize(spec.n_layer);
    for (std::uint32_t il = 0; il < spec.n_layer; ++il)
      swa.local[il] = types[il].starts_with("sliding") || types[il].starts_with("chunked");
  } else {
    swa.local = swa_pattern(spec.n_layer, in.u32({"sliding_window_pattern", "_sliding_window_pattern"}, rule->pattern),
                            rule->dense_first);
  }
  spec.swa = std::move(swa);
}

void read_config_mla(ConfigKeys& in, ModelSpec& spec)
{
  MlaSpec mla;
  mla.kv_lora_rank = in.u32({"kv_lora_rank"});
  if (mla.kv_lora_rank == 0) {
    spec.mla.reset();
    return;
  }
  mla.q_lora_rank = in.u32({"q_lora_rank"});
  mla.qk_rope_head_dim = in.required({"qk_rope_head_dim"});
  mla.qk_nope_head_dim = in.required({"qk_nope_head_dim"});
  mla.v_head_dim = in.required({"v_head_dim"});
  mla.indexer_n_head = in.u32({"index_n_heads"});
  mla.indexer_head_dim = in.u32({"index_head_dim"});
  mla.indexer_top_k = in.u32({"index_topk"});
  const auto types = in.strings({"indexer_types"});
  for (std::uint32_t il = 0; il < types.size(); ++il) {
    if (types[il] == "full") mla.indexer_layers.push_back(il);
  }
  spec.n_rot = mla.qk_rope_head_dim;
  if (spec.arch == "minicpm3" || spec.arch == "plm") {
    spec.head_dim_k = mla.qk_nope_head_dim + mla.qk_rope_head_dim;
    spec.head_dim_v = mla.v_head_dim;
  } else {
    // The converters write one key head of the latent's width (conversion/deepseek.py).
    spec.head_dim_k = mla.kv_lora_rank + mla.qk_rope_head_dim;
    spec.head_dim_v = mla.kv_lora_rank;
    if (spec.n_head_kv.varies()) {
      auto each = spec.n_head_kv.each();
      for (auto& kv : each) kv = kv ? 1 : 0;
      spec.n_head_kv = std::move(each);
    } else {
      spec.n_head_kv = 1;
    }
  }
  spec.mla = std::move(mla);
}

}  // namespace canirun
