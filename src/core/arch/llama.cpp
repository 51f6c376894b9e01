#include "arch/families.hpp"

namespace canirun {
namespace {

void llama(Builder& b, bool embed)
{
  const auto& m = b.model();
  auto inp = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = embed ? b.attn_inp_no_cache() : b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();

  for (const auto il : b.layers()) {
    auto residual = inp;
    auto cur = b.norm(inp, "attn_norm", il);

    const auto factors = b.shared_if(m.rope_freqs, "rope_freqs", il, {m.n_rot / 2});
    auto [q, k, v] = b.qkv(cur, il, b.qkv_shape(il));
    q = b.rope(q, pos, factors);
    k = b.rope(k, pos, factors);
    const auto wo = b.weight("attn_output", il, {m.head_k(il) * m.n_head(il), m.n_embd});
    const auto wo_b = b.bias_if(m.attn.bias_o, "attn_output", il, m.n_embd);
    cur = b.attention(attn, {.q = q, .k = k, .v = v, .wo = wo, .wo_b = wo_b}, il);

    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      residual = b.get_rows(residual, out_ids);
    }
    const auto ffn_inp = b.add(cur, residual);
    cur = b.norm(ffn_inp, "ffn_norm", il);
    cur = m.is_moe(il) ? b.moe_ffn(cur, b.moe_weights(il)) : b.ffn(cur, b.ffn_weights(il, m.n_ff(il)));
    inp = b.add(cur, ffn_inp);
  }
  if (!embed) return b.finish_lm(inp);
  const auto embd = b.norm(inp, "output_norm", k_global);
  (void)b.output_weight();  // loaded, not used
  b.finish(embd, {});
}

}  // namespace

/// models/llama.cpp; also Mixtral (experts in every layer) and other models that were converted to this architecture.
void build_llama(Builder& b) { llama(b, false); }

/// models/llama-embed.cpp: attention over the micro-batch alone, no logits; the cache is there all the same.
void build_llama_embed(Builder& b) { llama(b, true); }

}  // namespace canirun
