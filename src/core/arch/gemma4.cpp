#include "arch/families.hpp"
#include "arch/per_layer.hpp"

namespace canirun {

Ref slice(Builder& b, Ref x, std::uint64_t i)
{
  const auto ne = b.at(x).ne;
  return b.view_2d(x, ne[0], ne[1], ne[0] * 4, i * ne[0] * ne[1] * 4);
}

bool has_own_cache(const ModelSpec& m, std::uint32_t il) { return il + m.n_layer_kv_shared < m.n_layer; }

std::int32_t cache_layer(const ModelSpec& m, std::uint32_t il)
{
  if (has_own_cache(m, il)) return -1;
  const auto first_shared = m.n_layer - m.n_layer_kv_shared;
  return static_cast<std::int32_t>(first_shared) - (m.is_swa(il) ? 2 : 1);
}

/// gemma4.cpp: build_inp_per_layer, project_per_layer_inputs (gemma3n.cpp has the same).
Ref per_layer_inputs(Builder& b, Ref embd)
{
  const auto& m = b.model();
  const std::uint64_t width = m.per_layer_embd->n_embd, n_layer = m.n_layer, n_tokens = b.n_tokens();
  const std::uint64_t n_vocab = m.per_layer_embd->n_vocab ? m.per_layer_embd->n_vocab : m.n_vocab;
  const auto table = b.weight("per_layer_token_embd", k_global, {width * n_layer, n_vocab});
  const auto projection = b.weight("per_layer_model_proj", k_global, {m.n_embd, width * n_layer});
  const auto w_norm = b.weight("per_layer_proj_norm", k_global, {width});
  const auto tokens = b.input(TensorType::i32, n_tokens);
  auto rows = b.scale(b.reshape(b.get_rows(table, tokens), width, n_layer, n_tokens));
  b.expand(rows);
  auto projected = b.reshape(b.scale(b.mul_mat(projection, embd)), width, n_layer, n_tokens);
  projected = b.norm(Norm::rms, projected, w_norm);
  return b.cont(b.permute(b.scale(b.add(projected, rows)), 0, 2, 1, 3));
}

namespace {

Ref rms(Builder& b, Ref cur, std::string_view name, std::uint32_t il, std::uint64_t n)
{
  return b.norm(Norm::rms, cur, b.weight(name, il, {n}), {}, il);
}

Ref attention_part(Builder& b, const AttentionInput& inputs, Ref pos, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t head = m.head_k(il), n_head = m.n_head(il), n_head_kv = m.n_head_kv(il), n_tokens = b.n_tokens();
  const auto own = has_own_cache(m, il);
  const auto factors = b.shared_if(!m.is_swa(il), "rope_freqs", il, {head / 2});
  const auto wq = b.weight("attn_q", il, {m.n_embd, head * n_head});
  // Layers without a cache of their own have these matrices in the file all the same; global layers may share K and V.
  const auto wk = b.weight_if(true, "attn_k", il, {m.n_embd, head * n_head_kv});
  const auto wv = b.weight_if(!m.k_eq_v || m.is_swa(il), "attn_v", il, {m.n_embd, head * n_head_kv});
  const auto wo = b.weight("attn_output", il, {head * n_head, m.n_embd});
  const auto q_norm = b.weight("attn_q_norm", il, {head});
  const auto k_norm = b.weight_if(true, "attn_k_norm", il, {head});

  auto q = b.norm(Norm::rms, b.reshape(b.mul_mat(wq, cur), head, n_head, n_tokens), q_norm, {}, il);
  q = b.rope(q, pos, m.is_swa(il) ? Ref{} : factors);
  if (!own) return b.attention(inputs, {.q = q, .wo = wo, .cache_layer = cache_layer(m, il)}, il);
  const auto kv = b.mul_mat(wk, cur);
  const auto v = b.rms_norm(b.reshape(wv ? b.mul_mat(wv, cur) : kv, head, n_head_kv, n_tokens));
  auto k = b.norm(Norm::rms, b.reshape(kv, head, n_head_kv, n_tokens), k_norm, {}, il);
  k = b.rope(k, pos, m.is_swa(il) ? Ref{} : factors);
  return b.attention(inputs, {.q = q, .k = k, .v = v, .wo = wo}, il);
}

/// A dense part and, in the mixture, experts beside it.
Ref feed_forward_part(Builder& b, Ref y, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd;
  const auto ffn_norm = b.weight("ffn_norm", il, {n_embd});
  auto f = b.ffn_weights(il, m.n_ff(il));
  f.act = Act::gelu;
  const auto router = m.moe ? b.weight_if(m.is_moe(il), "ffn_gate_inp", il, {n_embd, m.moe->n_expert}) : Ref{};
  if (!router) return b.ffn(b.norm(Norm::rms, y, ffn_norm, {}, il), f);

  const std::uint64_t n_expert = m.moe->n_expert, n_ff = m.moe->n_ff_expert;
  const auto router_scale = b.bare("ffn_gate_inp.scale", il, {n_embd});
  const auto pre_2 = b.weight("pre_ffw_norm_2", il, {n_embd}), post_1 = b.weight("post_ffw_norm_1", il, {n_embd});
  const auto post_2 = b.weight("post_ffw_norm_2", il, {n_embd});
  Moe moe{.n_expert = n_expert, .n_expert_used = m.moe->n_expert_used, .act = Act::gelu};
  moe.gate_up = b.weight_if(true, "ffn_gate_up_exps", il, {n_embd, 2 * n_ff, n_expert});
  if (!moe.gate_up) {
    moe.gate = b.weight("ffn_gate_exps", il, {n_embd, n_ff, n_expert});
    moe.up = b.weight("ffn_up_exps", il, {n_embd, n_ff, n_expert});
  }
  moe.down = b.weight("ffn_down_exps", il, {n_ff, n_embd, n_expert});
  moe.down_scale = b.bare_if(true, "ffn_down_exps.scale", il, {n_expert});

  const auto dense = b.norm(Norm::rms, b.ffn(b.norm(Norm::rms, y, ffn_norm, {}, il), f), post_1, {}, il);
  const auto input = b.norm(Norm::rms, y, pre_2, {}, il);
  moe.probs_in = b.mul_mat(router, b.mul(b.scale(b.rms_norm(y)), router_scale));
  const auto experts = b.norm(Norm::rms, b.moe_ffn(input, moe), post_2, {}, il);
  return b.add(dense, experts);
}

}  // namespace

/// gemma4.cpp
void build_gemma4(Builder& b)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd;
  auto x = b.scale(b.inp_embd());
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_auto();
  const auto inputs = m.per_layer_embd ? per_layer_inputs(b, x) : Ref{};
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto cur = attention_part(b, attn, pos, b.norm(x, "attn_norm", il), il);
    const auto y = b.add(rms(b, cur, "post_attention_norm", il, n_embd), x);
    x = b.add(rms(b, feed_forward_part(b, y, il), "post_ffw_norm", il, n_embd), y);
    if (inputs) {
      const std::uint64_t width = m.per_layer_embd->n_embd;
      const auto gate = b.weight("inp_gate", il, {n_embd, width}), back = b.weight("proj", il, {width, n_embd});
      cur = b.mul(b.gelu(b.mul_mat(gate, x)), slice(b, inputs, il));
      x = b.add(x, rms(b, b.mul_mat(back, cur), "post_norm", il, n_embd));
    }
    if (const auto scale = b.weight_if(true, "layer_output_scale", il, {1})) x = b.mul(x, scale);
  }
  // All rows go through the final norm: speculation reads them (t_h_nextn).
  auto embd = b.norm(x, "output_norm", k_global);
  b.set_output(embd);
  embd = b.get_rows(embd, out_ids);
  auto logits = b.mul_mat(b.output_weight(), embd);
  logits = b.scale(b.tanh(b.scale(logits)));
  b.finish(embd, logits);
}

}  // namespace canirun
