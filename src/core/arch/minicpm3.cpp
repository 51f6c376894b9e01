#include "arch/decoder.hpp"
#include "arch/families.hpp"
#include "arch/mla.hpp"

namespace canirun {

/// models/minicpm3.cpp: low-rank projections like DeepSeek-V2, but a cache of full heads; scaled embeddings, residuals and output.
void build_minicpm3(Builder& b)
{
  const auto& m = b.model();
  const std::uint64_t n_factors = m.mla->qk_rope_head_dim / 2;
  auto stream = b.scale(b.inp_embd());
  const auto pos = b.inp_pos();
  const auto inp = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = stream;
    // One of the two sets of rope factors is used, by the length of the context; both have the same size.
    const auto factors = b.shared_if(m.rope_freqs, "rope_factors_long", il, {n_factors});
    b.shared_if(m.rope_freqs, "rope_factors_short", il, {n_factors});
    auto cur = b.norm(stream, "attn_norm", il);
    const auto x = with_query_heads(b, latent_projections(b, cur, pos, il, factors), il);
    cur = b.attention(inp, decompressed_attention(b, x, pos, il, factors), il);
    keep_outputs(b, il, out_ids, cur, residual);
    const auto ffn_inp = b.add(b.scale(cur), residual);
    cur = dense_ffn(b, b.norm(ffn_inp, "ffn_norm", il), il);
    stream = b.add(b.scale(cur), ffn_inp);
  }
  const auto embd = b.norm(stream, "output_norm", k_global);
  b.finish(embd, b.mul_mat(b.output_weight(), b.scale(embd)));
}

/// models/plm.cpp: full queries, low-rank keys and values, squared ReLU without a gate, always tied.
void build_plm(Builder& b)
{
  const auto& m = b.model();
  auto stream = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto inp = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = stream;
    auto cur = b.norm(stream, "attn_norm", il);
    const auto x = with_query_heads(b, latent_projections(b, cur, pos, il), il);
    cur = b.attention(inp, decompressed_attention(b, x, pos, il), il);
    keep_outputs(b, il, out_ids, cur, residual);
    const auto ffn_inp = b.add(cur, residual);
    auto f = b.ffn_weights(il, m.n_ff(il));
    f.act = Act::relu_sqr;
    cur = b.ffn(b.norm(ffn_inp, "ffn_norm", il), f);
    stream = b.add(cur, ffn_inp);
  }
  b.finish_lm(stream);
}

}  // namespace canirun
