#include <algorithm>

#include "arch/decoder.hpp"
#include "arch/families.hpp"
#include "arch/mla.hpp"

namespace canirun {
namespace {

/// The lightning indexer: scores every cell with a few small heads and keeps the best (models/deepseek32.cpp, glm-dsa.cpp).
Ref indexer_top_k(Builder& b, const AttentionInput& inp, Ref cur, const Latent& x, Ref pos, std::uint32_t il)
{
  const auto& mla = *b.model().mla;
  const std::uint64_t n_embd = b.model().n_embd, head = mla.indexer_head_dim, n_head = mla.indexer_n_head,
                      n_tokens = b.n_tokens();
  const auto k_norm = b.weight("indexer.k_norm", il, {head});
  const auto k_norm_b = b.bias("indexer.k_norm", il, head);
  const auto proj = b.weight("indexer.proj", il, {n_embd, n_head});
  const auto w_k = b.weight("indexer.attn_k", il, {n_embd, head});
  const auto w_q = b.weight("indexer.attn_q_b", il, {mla.q_lora_rank, n_head * head});

  auto q = b.rope(b.reshape(b.mul_mat(w_q, x.q_latent), head, n_head, n_tokens), pos);
  auto k = b.norm(Norm::layer, b.mul_mat(w_k, cur), k_norm, k_norm_b, il);
  k = b.rope(b.reshape(k, head, 1, n_tokens), pos);
  q = b.mul_mat(inp.indexer.k_rot, q);
  k = b.mul_mat(inp.indexer.k_rot, k);
  b.store_k(k, inp.indexer.k_idxs, il, CacheKind::indexer_k);
  auto weights = b.mul_mat(proj, cur);
  const auto keys = b.load_k(il, CacheKind::indexer_k);
  if (!b.recording()) return keys;

  const auto n_stream = b.at(keys).ne[3];
  const auto tq = b.at(q), tw = b.at(weights);
  q = b.view_4d(q, {tq.ne[0], tq.ne[1], tq.ne[2] / n_stream, n_stream}, tq.nb[1], tq.nb[2], tq.nb[3] / n_stream, 0);
  weights = b.view_4d(weights, {tw.ne[0], tw.ne[1] / n_stream, tw.ne[2], n_stream}, tw.nb[1], tw.nb[2] / n_stream,
                      tw.nb[3] / n_stream, 0);
  const auto score = b.lightning_indexer(q, keys, b.scale(weights), inp.indexer.mask);
  return b.cont(b.top_k(score, std::min<std::uint64_t>(b.at(score).ne[0], mla.indexer_top_k)));
}

bool has_indexer(const MlaSpec& mla, std::uint32_t il)
{
  return mla.indexer_layers.empty() || std::ranges::find(mla.indexer_layers, il) != mla.indexer_layers.end();
}

void build_sparse_decoder(Builder& b)
{
  const auto& m = b.model();
  auto stream = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto inp = b.attn_inp_k_dsa();
  const auto out_ids = b.inp_out_ids();
  Ref top_k;
  for (const auto il : b.layers()) {
    auto residual = stream;
    auto cur = b.norm(stream, "attn_norm", il);
    const auto x = latent_projections(b, cur, pos, il);
    if (has_indexer(*m.mla, il)) top_k = indexer_top_k(b, inp, cur, x, pos, il);
    auto a = absorbed_attention(b, x, pos, il);
    a.top_k = top_k;
    cur = b.attention(inp, a, il);
    keep_outputs(b, il, out_ids, cur, residual);
    const auto ffn_inp = b.add(cur, residual);
    cur = experts_or_dense(b, b.norm(ffn_inp, "ffn_norm", il), il);
    stream = b.add(cur, ffn_inp);
  }
  b.finish_lm(stream);
}

}  // namespace

/// DeepSeek-V3.2: every layer has its indexer.
void build_deepseek32(Builder& b) { build_sparse_decoder(b); }

/// GLM-5: from 5.2 on most layers use the choice of the last layer that has an indexer.
void build_glm_dsa(Builder& b) { build_sparse_decoder(b); }

}  // namespace canirun
