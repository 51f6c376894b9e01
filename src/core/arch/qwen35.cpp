#include "arch/families.hpp"
#include "arch/ssm.hpp"
#include "arch/transformer.hpp"

namespace canirun {
namespace {

/// Attention whose Q projection also holds a gate of the output, head by head (Qwen3-Next, Qwen3.5).
Ref gated_attention(Builder& b, Ref cur, const AttentionInput& inputs, Ref pos, bool by_reshape, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t head = m.head_k(il), n_head = m.n_head(il), n_head_kv = m.n_head_kv(il);
  auto shape = b.qkv_shape(il);
  shape.head_q = 2 * head;
  shape.reshape = false;
  auto [gated_q, k, v] = b.qkv(cur, il, shape);
  auto both = gated_q;  // clang 14 lets no lambda see a structured binding
  const auto q_norm = b.weight("attn_q_norm", il, {head});
  const auto k_norm = b.weight("attn_k_norm", il, {head});
  const auto wo = b.weight("attn_output", il, {head * n_head, m.n_embd});
  const auto half = [&](std::uint64_t i) {
    return b.view_3d(both, head, n_head, b.n_tokens(), head * 2 * 4, head * 2 * n_head * 4, i * head * 4);
  };
  if (by_reshape) both = b.reshape(both, 2 * head, n_head, b.n_tokens());
  auto q = b.norm(Norm::rms, half(0), q_norm, {}, il);
  k = b.norm(Norm::rms, b.reshape(k, head, n_head_kv, b.n_tokens()), k_norm, {}, il);
  v = b.reshape(v, head, n_head_kv, b.n_tokens());
  const auto gate = b.cont(half(1), head * n_head, b.n_tokens());
  q = b.rope(q, pos);
  k = b.rope(k, pos);
  cur = b.attention(inputs, {.q = q, .k = k, .v = v}, il);
  return b.mul_mat(wo, b.mul(cur, b.sigmoid(gate)));
}

void delta_model(Builder& b, DeltaProjections projections, std::uint64_t positions)
{
  const auto& m = b.model();
  const auto fused = projections == DeltaProjections::fused;
  const FeedForwardOptions ffn{.shared_gate = SharedGate::sigmoid, .gate_up_exps = true};
  auto x = b.inp_embd();
  const auto rs = b.rs_inp();
  const auto attn = b.attn_inp_kv();
  const auto pos = b.inp_pos(positions);
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    const auto n = b.norm(x, "attn_norm", il);
    b.expand(n);
    const auto a = m.is_recurrent(il) ? gated_delta(b, rs, n, projections, il) : gated_attention(b, n, attn, pos, fused, il);
    const auto y = b.add(a, x);
    x = b.add(feed_forward(b, b.norm(y, "post_attention_norm", il), ffn, il), y);
  }
  logits_output(b, x, {}, out_ids);
}

}  // namespace

/// qwen3next.cpp
void build_qwen3next(Builder& b) { delta_model(b, DeltaProjections::fused, 1); }

/// qwen35.cpp, qwen35moe.cpp
void build_qwen35(Builder& b) { delta_model(b, DeltaProjections::separate, 4); }

}  // namespace canirun
