#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {

/// models/arctic.cpp: a dense residual feed-forward of width n_embd, and experts that read the layer's input.
void build_arctic(Builder& b)
{
  const auto& m = b.model();
  auto stream = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto inp = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = stream;
    auto cur = b.norm(stream, "attn_norm", il);
    auto [q, k, v] = b.qkv(cur, il, b.qkv_shape(il));
    q = b.rope(q, pos);
    k = b.rope(k, pos);
    cur = b.attention(inp, {.q = q, .k = k, .v = v, .wo = attn_output(b, il)}, il);
    keep_outputs(b, il, out_ids, cur, residual);

    const auto ffn_inp = b.add(cur, residual);
    cur = b.norm(ffn_inp, "ffn_norm", il);
    cur = b.ffn(cur, b.ffn_weights(il, m.n_embd));
    const auto ffn_out = b.add(cur, ffn_inp);
    cur = b.norm(residual, "ffn_norm_exps", il);
    cur = expert_ffn(b, cur, il, {.norm_weights = true});
    stream = b.add(cur, ffn_out);
  }
  b.finish_lm(stream);
}

}  // namespace canirun
