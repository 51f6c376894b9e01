#pragma once

#include "arch/builder.hpp"

/// \file
/// Multi-head latent attention (DeepSeek): queries and a key-value latent of low rank, one rotated key head for all.

namespace canirun {

/// What the projections of a layer give before they are joined.
struct Latent {
  Ref q;         ///< [(qk_nope + qk_rope) · n_head, n_tokens]
  Ref q_latent;  ///< The normed low-rank query, where there is one: the indexer of DeepSeek-V3.2 reads it.
  Ref kv;        ///< [kv_lora_rank, n_tokens], normed.
  Ref k_pe;      ///< [qk_rope, 1, n_tokens], rotated unless `pos` was absent.
};

/// attn_q or attn_q_a, attn_q_a_norm and attn_q_b; attn_kv_a_mqa and attn_kv_a_norm.
Latent latent_projections(Builder& b, Ref cur, Ref pos, std::uint32_t il, Ref freq_factors = {});

/// The same with q as [qk_nope + qk_rope, n_head, n_tokens]: a node of its own, which DeepSeek-V3.2 does not have.
Latent with_query_heads(Builder& b, Latent x, std::uint32_t il);

/// Arguments of the attention over a cache of latents (attn_k_b and attn_v_b are applied to Q and to the result), or, where the model
/// caches full heads, over those (attn_kv_b makes K and V).
Attention absorbed_attention(Builder& b, const Latent& x, Ref pos, std::uint32_t il);
Attention decompressed_attention(Builder& b, const Latent& x, Ref pos, std::uint32_t il, Ref freq_factors = {});

}  // namespace canirun
