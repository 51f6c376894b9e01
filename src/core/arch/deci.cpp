#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace canirun {

/// deci.cpp: layers may lack attention, have a matrix in its place, or lack the feed-forward part.
void build_deci(Builder& b)
{
  const auto& m = b.model();
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = x;
    auto cur = x;
    const auto has_attention = m.n_head(il) > 0;
    if (has_attention) cur = b.norm(x, "attn_norm", il);
    if (has_attention && m.n_head_kv(il) == 0) {
      cur = b.mul_mat(b.weight("attn_output", il, {m.n_embd, m.n_embd}), cur);
    } else if (has_attention) {
      cur = self_attention(b, cur, attn, pos, {.rope_factors = true, .out_bias = true}, il);
    } else {
      rope_factors(b, il);
    }
    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      residual = b.get_rows(residual, out_ids);
    }
    if (m.n_ff(il) == 0) continue;  // as llama.cpp does: the attention's result is dropped
    const auto y = has_attention ? b.add(cur, residual) : cur;
    x = b.add(dense_feed_forward(b, b.norm(y, "ffn_norm", il), {}, il), y);
  }
  b.finish_lm(x);
}

}  // namespace canirun
