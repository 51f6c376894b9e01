#include "arch/decoder.hpp"

namespace canirun {

Ref dense_ffn(Builder& b, Ref cur, std::uint32_t il) { return b.ffn(cur, b.ffn_weights(il, b.model().n_ff(il))); }

Ref fused_ffn(Builder& b, Ref cur, std::uint32_t il)
{
  const std::uint64_t n_embd = b.model().n_embd, n_ff = b.model().n_ff(il);
  Ffn f;
  f.up = b.weight("ffn_up", il, {n_embd, 2 * n_ff});
  f.down = b.weight("ffn_down", il, {n_ff, n_embd});
  f.act = Act::swiglu;
  return b.ffn(cur, f);
}

Ref expert_ffn(Builder& b, Ref cur, std::uint32_t il, const ExpertStyle& style)
{
  auto moe = b.moe_weights(il);
  moe.gating = style.gating;
  moe.norm_weights = style.norm_weights;
  moe.act = style.act;
  moe.down_prec_f32 = style.down_prec_f32;
  const auto routed = b.moe_ffn(cur, moe);
  const auto n_ff_shared = b.model().moe->n_ff_shared;
  if (n_ff_shared == 0) return routed;
  const auto shared = b.ffn(cur, b.ffn_weights(il, n_ff_shared, "_shexp"));
  return b.add(routed, shared);
}

Ref experts_or_dense(Builder& b, Ref cur, std::uint32_t il)
{
  if (!b.model().is_moe(il)) return dense_ffn(b, cur, il);
  const bool biased = b.model().moe->router_bias;
  return expert_ffn(b, cur, il, {.gating = biased ? Gating::sigmoid : Gating::softmax, .norm_weights = biased});
}

Ref attn_output(Builder& b, std::uint32_t il)
{
  const auto& m = b.model();
  return b.weight("attn_output", il, {std::uint64_t{m.n_head(il)} * m.head_v(il), m.n_embd});
}

void keep_outputs(Builder& b, std::uint32_t il, Ref out_ids, Ref& cur, Ref& residual)
{
  if (il + 1 != b.model().n_layer) return;
  cur = b.get_rows(cur, out_ids);
  residual = b.get_rows(residual, out_ids);
}

namespace {

Ref decoder_attention(Builder& b, const Decoder& d, const AttentionInput& inp, Ref pos, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  auto shape = b.qkv_shape(il);
  shape.fused = d.fused_qkv;
  shape.clamp = d.clamp_qkv;
  auto [q, k, v] = b.qkv(cur, il, shape);
  const bool has_norm = d.head_norm != HeadNorm::none;
  const auto q_norm = b.weight_if(has_norm, "attn_q_norm", il, {shape.head_q});
  const auto k_norm = b.weight_if(has_norm, "attn_k_norm", il, {shape.head_k});
  const bool after = d.head_norm == HeadNorm::after_rope;
  if (q_norm && !after) q = b.norm(Norm::rms, q, q_norm, {}, il);
  if (k_norm && !after) k = b.norm(Norm::rms, k, k_norm, {}, il);
  q = b.rope(q, pos);
  k = b.rope(k, pos);
  if (q_norm && after) q = b.norm(Norm::rms, q, q_norm, {}, il);
  if (k_norm && after) k = b.norm(Norm::rms, k, k_norm, {}, il);
  const auto wo = attn_output(b, il);
  const auto wo_b = b.bias_if(m.attn.bias_o, "attn_output", il, m.n_embd);
  return b.attention(inp, {.q = q, .k = k, .v = v, .wo = wo, .wo_b = wo_b}, il);
}

}  // namespace

void decoder(Builder& b, const Decoder& d)
{
  auto stream = b.inp_embd();
  const auto pos = b.inp_pos(d.positions);
  const auto inp = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = stream;
    auto cur = b.norm(stream, "attn_norm", il, d.norm);
    cur = decoder_attention(b, d, inp, pos, cur, il);
    keep_outputs(b, il, out_ids, cur, residual);
    if (!d.attn_post_norm.empty()) cur = b.norm(cur, d.attn_post_norm, il, d.norm);
    const auto ffn_inp = b.add(cur, residual);
    cur = b.norm(ffn_inp, d.ffn_norm, il, d.norm);
    cur = d.feed_forward(b, cur, il);
    if (!d.ffn_post_norm.empty()) cur = b.norm(cur, d.ffn_post_norm, il, d.norm);
    stream = b.add(cur, ffn_inp);
  }
  b.finish_lm(stream, d.norm);
}

}  // namespace canirun
