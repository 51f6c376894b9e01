#include "arch/families.hpp"

namespace canirun {
namespace {

/// What the generations of Gemma add to the first.
struct Generation {
  bool post_norms = false;  ///< Norms after the attention and after the feed-forward part (Gemma 2).
  bool qk_norm = false;     ///< Gemma 3.
  bool soft_cap = false;    ///< Capped attention scores (Gemma 2).
  bool logits_cap = false;  ///< Capped logits (Gemma 2).
  bool embedding = false;   ///< No cache, no logits (EmbeddingGemma).
};

void build_generation(Builder& b, const Generation& g)
{
  const auto& m = b.model();
  auto inp = b.scale(b.inp_embd());
  const auto pos = b.inp_pos();
  const auto attn = g.embedding ? b.attn_inp_no_cache() : b.attn_inp_auto();
  const auto out_ids = b.inp_out_ids();

  for (const auto il : b.layers()) {
    auto cur = b.norm(inp, "attn_norm", il);

    auto [q, k, v] = b.qkv(cur, il, b.qkv_shape(il));
    if (g.qk_norm) q = b.norm(Norm::rms, q, b.weight("attn_q_norm", il, {m.head_k(il)}), {}, il);
    q = b.rope(q, pos);
    if (g.qk_norm) k = b.norm(Norm::rms, k, b.weight("attn_k_norm", il, {m.head_k(il)}), {}, il);
    k = b.rope(k, pos);
    q = b.scale(q);
    const auto wo = b.weight("attn_output", il, {m.head_k(il) * m.n_head(il), m.n_embd});
    cur = b.attention(attn, {.q = q, .k = k, .v = v, .wo = wo, .soft_cap = g.soft_cap}, il);

    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      inp = b.get_rows(inp, out_ids);
    }
    if (g.post_norms) cur = b.norm(cur, "post_attention_norm", il);
    const auto sa_out = b.add(cur, inp);

    cur = b.norm(sa_out, "ffn_norm", il);
    auto ffn = b.ffn_weights(il, m.n_ff(il));
    ffn.act = Act::gelu;
    cur = b.ffn(cur, ffn);
    // Outside the layer as far as the scheduler is told (il = -1).
    if (g.post_norms) cur = b.norm(Norm::rms, cur, b.weight("post_ffw_norm", il, {m.n_embd}));
    inp = b.add(cur, sa_out);
  }

  const auto embd = b.norm(inp, "output_norm", k_global);
  const auto output = b.output_weight();
  if (g.embedding) return b.finish(embd, {});
  auto logits = b.mul_mat(output, embd);
  if (g.logits_cap) logits = b.scale(b.tanh(b.scale(logits)));
  b.finish(embd, logits);
}

}  // namespace

/// models/gemma.cpp
void build_gemma(Builder& b) { build_generation(b, {}); }

/// models/gemma2.cpp
void build_gemma2(Builder& b) { build_generation(b, {.post_norms = true, .soft_cap = true, .logits_cap = true}); }

/// models/gemma3.cpp. Final logits are capped in place where a file asks for it, which changes no buffer.
void build_gemma3(Builder& b) { build_generation(b, {.post_norms = true, .qk_norm = true}); }

/// models/gemma-embedding.cpp
void build_gemma_embedding(Builder& b) { build_generation(b, {.post_norms = true, .qk_norm = true, .embedding = true}); }

}  // namespace canirun
