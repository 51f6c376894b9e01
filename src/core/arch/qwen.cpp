#include "arch/families.hpp"

namespace canirun {
namespace {

/// qwen2 and qwen3 differ in the norms of Q and K and in what the feed-forward part is.
template <typename FeedForward>
void build_qwen(Builder& b, bool qk_norm, FeedForward feed_forward)
{
  const auto& m = b.model();
  auto inp = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();

  for (const auto il : b.layers()) {
    auto residual = inp;
    auto cur = b.norm(inp, "attn_norm", il);

    auto [q, k, v] = b.qkv(cur, il, b.qkv_shape(il));
    if (qk_norm) q = b.norm(Norm::rms, q, b.weight("attn_q_norm", il, {m.head_k(il)}), {}, il);
    q = b.rope(q, pos);
    if (qk_norm) k = b.norm(Norm::rms, k, b.weight("attn_k_norm", il, {m.head_k(il)}), {}, il);
    k = b.rope(k, pos);
    const auto wo = b.weight("attn_output", il, {m.head_k(il) * m.n_head(il), m.n_embd});
    cur = b.attention(attn, {.q = q, .k = k, .v = v, .wo = wo}, il);

    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      residual = b.get_rows(residual, out_ids);
    }
    const auto ffn_inp = b.add(cur, residual);
    cur = b.norm(ffn_inp, "ffn_norm", il);
    inp = b.add(feed_forward(cur, il), ffn_inp);
  }
  b.finish_lm(inp);
}

}  // namespace

/// models/qwen2.cpp
void build_qwen2(Builder& b)
{
  build_qwen(b, false, [&](Ref cur, std::uint32_t il) { return b.ffn(cur, b.ffn_weights(il, b.model().n_ff(il))); });
}

/// models/qwen3.cpp
void build_qwen3(Builder& b)
{
  build_qwen(b, true, [&](Ref cur, std::uint32_t il) { return b.ffn(cur, b.ffn_weights(il, b.model().n_ff(il))); });
}

/// models/qwen3moe.cpp
void build_qwen3moe(Builder& b)
{
  build_qwen(b, true, [&](Ref cur, std::uint32_t il) { return b.moe_ffn(cur, b.moe_weights(il)); });
}

}  // namespace canirun
