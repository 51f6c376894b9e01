#include "arch/blocks.hpp"

#include <algorithm>

namespace canirun {
namespace {

/// "<name>.weight" (and, where the model has it, "<name>.bias") of a norm of Q or K, by kind.
Ref head_norm(Builder& b, Ref cur, std::string_view name, std::uint64_t head, std::uint64_t n_head, const AttentionOptions& o,
              std::uint32_t il)
{
  const auto& m = b.model();
  const auto exists = !o.qk_norm_optional || m.attn.qk_norm != QkNorm::none;
  Ref w, bias;
  if (o.qk_norm == QkNorm::per_head) {
    w = b.weight_if(exists, name, il, {head});
    bias = b.bias_if(exists && m.attn.qk_norm_bias, name, il, head);
  } else if (o.qk_norm == QkNorm::per_head_each) {
    w = b.weight_if(exists, name, il, {head, n_head});
  } else {
    w = b.weight_if(exists, name, il, {head * n_head});
    bias = b.bias_if(exists && m.attn.qk_norm_bias, name, il, head * n_head);
  }
  return w ? b.norm(o.qk_norm_kind, cur, w, bias, il) : cur;
}

/// The attention's result, gated by a projection of the layer's input.
Ref gated(Builder& b, Ref cur, Ref input, const AttentionOptions& o, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t n_head = m.n_head(il), head_v = m.head_v(il);
  if (o.out_gate == OutGate::separate) {
    const auto w = b.weight("attn_gate", il, {m.n_embd, m.head_k(il) * n_head});
    return b.mul(cur, b.sigmoid(b.mul_mat(w, input)));
  }
  const auto w = b.weight_if(m.attn.out_gate != OutGate::none, "attn_gate", il, {m.n_embd, n_head});
  if (!w) return cur;
  const auto gate = b.sigmoid(b.mul_mat(w, input));
  cur = b.mul(b.reshape(cur, head_v, n_head, b.n_tokens()), b.reshape(gate, 1, n_head, b.n_tokens()));
  return b.reshape(cur, head_v * n_head, b.n_tokens());
}

}  // namespace

Ref rope_factors(Builder& b, std::uint32_t il)
{
  const auto& m = b.model();
  // step35.cpp: n_rot_max, since one tensor serves layers that rotate different widths.
  return b.shared_if(m.rope_freqs, "rope_freqs", il, {std::max(m.n_rot, m.n_rot_swa) / 2});
}

Ref self_attention(Builder& b, Ref cur, const AttentionInput& inputs, Ref pos, const AttentionOptions& o, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t n_head = m.n_head(il), n_head_kv = m.n_head_kv(il);
  const std::uint64_t head_k = m.head_k(il), head_v = m.head_v(il);
  const auto input = cur;

  auto shape = b.qkv_shape(il);
  shape.fused = o.fused_qkv;
  shape.clamp = o.clamp_qkv;
  shape.reshape = o.qk_norm != QkNorm::full_width;
  auto [q, k, v] = b.qkv(cur, il, shape);
  if (o.qk_norm != QkNorm::none) {
    q = head_norm(b, q, "attn_q_norm", head_k, n_head, o, il);
    k = head_norm(b, k, "attn_k_norm", head_k, n_head_kv, o, il);
  }
  if (!shape.reshape) {
    q = b.reshape(q, head_k, n_head, b.n_tokens());
    k = b.reshape(k, head_k, n_head_kv, b.n_tokens());
    v = b.reshape(v, head_v, n_head_kv, b.n_tokens());
  }
  auto factors = o.rope_factors ? rope_factors(b, il) : Ref{};
  if (!o.rope_factors_swa && m.is_swa(il)) factors = {};
  if (o.rope) {
    q = b.rope(q, pos, factors);
    k = b.rope(k, pos, factors);
  }
  if (o.temperature) q = b.mul(q, o.temperature);
  if (o.q_scaled) q = b.scale(q);

  Attention a{.q = q, .k = k, .v = v};
  if (o.sinks) a.sinks = b.weight_if(m.attn.sinks && (!m.attn.sinks_swa_only || m.is_swa(il)), "attn_sinks", il, {n_head});
  const auto wo = b.weight("attn_output", il, {head_v * n_head, m.n_embd});
  const auto wo_b = o.out_bias ? b.bias_if(m.attn.bias_o, "attn_output", il, m.n_embd) : Ref{};
  const auto plain = o.out_gate == OutGate::none && !o.sub_norm;
  if (plain) {
    a.wo = wo;
    a.wo_b = wo_b;
  }
  cur = b.attention(inputs, a, il);
  if (!plain) {
    if (o.out_gate != OutGate::none) cur = gated(b, cur, input, o, il);
    if (o.sub_norm) cur = b.norm(cur, "attn_sub_norm", il);
    cur = b.mul_mat(wo, cur);
    if (wo_b) cur = b.add(cur, wo_b);
  }
  return o.out_scaled ? b.scale(cur) : cur;
}

}  // namespace canirun
