#include "arch/mla.hpp"

namespace canirun {

Latent latent_projections(Builder& b, Ref cur, Ref pos, std::uint32_t il, Ref freq_factors)
{
  const auto& m = b.model();
  const auto& mla = *m.mla;
  const std::uint64_t n_embd = m.n_embd, n_head = m.n_head(il), n_tokens = b.n_tokens();
  const std::uint64_t rank = mla.kv_lora_rank, rope = mla.qk_rope_head_dim, head_k = mla.qk_nope_head_dim + rope;

  Latent x;
  if (const std::uint64_t q_rank = mla.q_lora_rank; q_rank > 0) {
    const auto q_a = b.mul_mat(b.weight("attn_q_a", il, {n_embd, q_rank}), cur);
    x.q_latent = b.norm(Norm::rms, q_a, b.weight("attn_q_a_norm", il, {q_rank}), {}, il);
    x.q = b.mul_mat(b.weight("attn_q_b", il, {q_rank, n_head * head_k}), x.q_latent);
  } else {
    x.q = b.mul_mat(b.weight("attn_q", il, {n_embd, n_head * head_k}), cur);
  }

  const auto kv_pe = b.mul_mat(b.weight("attn_kv_a_mqa", il, {n_embd, rank + rope}), cur);
  const auto row = 4 * (rank + rope);
  x.kv = b.view_2d(kv_pe, rank, n_tokens, row, 0);
  x.k_pe = b.view_3d(kv_pe, rope, 1, n_tokens, row, row, 4 * rank);
  if (pos) x.k_pe = b.rope(x.k_pe, pos, freq_factors);
  x.kv = b.norm(Norm::rms, x.kv, b.weight("attn_kv_a_norm", il, {rank}), {}, il);
  return x;
}

Latent with_query_heads(Builder& b, Latent x, std::uint32_t il)
{
  const auto& mla = *b.model().mla;
  x.q = b.reshape(x.q, mla.qk_nope_head_dim + mla.qk_rope_head_dim, b.model().n_head(il), b.n_tokens());
  return x;
}

Attention absorbed_attention(Builder& b, const Latent& x, Ref pos, std::uint32_t il)
{
  const auto& m = b.model();
  const auto& mla = *m.mla;
  const std::uint64_t n_head = m.n_head(il), n_tokens = b.n_tokens();
  const std::uint64_t rank = mla.kv_lora_rank, rope = mla.qk_rope_head_dim, nope = mla.qk_nope_head_dim;
  const auto k_b = b.weight("attn_k_b", il, {nope, rank, n_head});
  const auto v_b = b.weight("attn_v_b", il, {rank, mla.v_head_dim, n_head});
  const auto wo = b.weight("attn_output", il, {n_head * mla.v_head_dim, m.n_embd});

  const auto head = 4 * (nope + rope);
  const auto q_nope = b.view_3d(x.q, nope, n_head, n_tokens, head, head * n_head, 0);
  auto q_pe = b.view_3d(x.q, rope, n_head, n_tokens, head, head * n_head, 4 * nope);
  if (pos) q_pe = b.rope(q_pe, pos);
  const auto absorbed = b.permute(b.mul_mat(k_b, b.permute(q_nope, 0, 2, 1, 3)), 0, 2, 1, 3);
  const auto q = b.concat(absorbed, q_pe, 0);
  const auto v = b.reshape(x.kv, rank, 1, n_tokens);
  const auto k = b.concat(v, x.k_pe, 0);
  return {.q = q, .k = k, .v = v, .wo = wo, .v_mla = v_b};
}

Attention decompressed_attention(Builder& b, const Latent& x, Ref pos, std::uint32_t il, Ref freq_factors)
{
  const auto& m = b.model();
  const auto& mla = *m.mla;
  const std::uint64_t n_head = m.n_head(il), n_tokens = b.n_tokens();
  const std::uint64_t rank = mla.kv_lora_rank, rope = mla.qk_rope_head_dim, nope = mla.qk_nope_head_dim, head_v = mla.v_head_dim;
  const auto kv_b = b.weight("attn_kv_b", il, {rank, n_head * (nope + head_v)});
  const auto wo = b.weight("attn_output", il, {n_head * head_v, m.n_embd});

  const auto kv = b.mul_mat(kv_b, x.kv);
  const auto head = 4 * (nope + head_v);
  const auto k_nope = b.view_3d(kv, nope, n_head, n_tokens, head, head * n_head, 0);
  const auto v = b.cont(b.view_3d(kv, head_v, n_head, n_tokens, head, head * n_head, 4 * nope));
  const auto q = pos ? b.rope(x.q, pos, freq_factors) : x.q;  // of the trailing part of each head
  const auto k = b.concat(k_nope, b.repeat(x.k_pe, rope, n_head, n_tokens), 0);
  return {.q = q, .k = k, .v = v, .wo = wo};
}

}  // namespace canirun
