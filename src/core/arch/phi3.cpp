#include "arch/families.hpp"

namespace canirun {

/// models/phi3.cpp: fused Q, K and V, fused gate and up. Its sliding window is switched off in llama.cpp.
void build_phi3(Builder& b)
{
  const auto& m = b.model();
  auto inp = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();

  for (const auto il : b.layers()) {
    auto residual = inp;
    const auto factors_long = b.shared_if(m.rope_freqs, "rope_factors_long", il, {m.n_rot / 2});
    const auto factors_short = b.shared_if(m.rope_freqs, "rope_factors_short", il, {m.n_rot / 2});
    auto cur = b.norm(inp, "attn_norm", il);

    auto shape = b.qkv_shape(il);
    shape.fused = true;
    auto [q, k, v] = b.qkv(cur, il, shape);
    // The context decides between the long and the short factors, which have one size.
    const auto factors = factors_long ? factors_long : factors_short;
    q = b.rope(q, pos, factors);
    k = b.rope(k, pos, factors);
    q = b.scale(q);
    const auto wo = b.weight("attn_output", il, {m.n_embd, m.n_embd});
    cur = b.attention(attn, {.q = q, .k = k, .v = v, .wo = wo}, il);

    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      residual = b.get_rows(residual, out_ids);
    }
    residual = b.add(cur, residual);
    cur = b.norm(residual, "ffn_norm", il);
    const std::uint64_t n_ff = m.n_ff(il);
    Ffn ffn;
    ffn.up = b.weight("ffn_up", il, {m.n_embd, 2 * n_ff});
    ffn.down = b.weight("ffn_down", il, {n_ff, m.n_embd});
    ffn.act = Act::swiglu;
    cur = b.ffn(cur, ffn);
    inp = b.add(residual, cur);
  }
  b.finish_lm(inp);
}

}  // namespace canirun
