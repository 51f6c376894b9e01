#include <algorithm>

#include "arch/families.hpp"
#include "arch/transformer.hpp"

/// Decoders whose experts are fed or chosen in a way of their own.

namespace canirun {

/// grovemoe.cpp: beside the experts, smaller ones that neighbours share; one router chooses both.
void build_grovemoe(Builder& b)
{
  const auto& m = b.model();
  const auto& spec = *m.moe;
  const std::uint64_t n_embd = m.n_embd, n_ff = spec.n_ff_chunk ? spec.n_ff_chunk : m.head_dim_k;
  const std::uint64_t n_chunk = spec.n_expert / std::max(spec.n_group_experts, 1U);
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto a = self_attention(b, b.norm(x, "attn_norm", il), attn, pos, {.qk_norm = QkNorm::per_head, .out_bias = true}, il);
    if (il == m.n_layer - 1) {
      a = b.get_rows(a, out_ids);
      x = b.get_rows(x, out_ids);
    }
    const auto y = b.add(a, x);
    const auto n = b.norm(y, "ffn_norm", il);
    const auto logits = b.mul_mat(b.weight("ffn_gate_inp", il, {n_embd, spec.n_expert}), n);
    Moe experts{.n_expert = spec.n_expert, .n_expert_used = spec.n_expert_used};
    experts.gate = b.weight("ffn_gate_exps", il, {n_embd, spec.n_ff_expert, spec.n_expert});
    experts.down = b.weight("ffn_down_exps", il, {spec.n_ff_expert, n_embd, spec.n_expert});
    experts.up = b.weight("ffn_up_exps", il, {n_embd, spec.n_ff_expert, spec.n_expert});
    experts.probs_in = logits;
    experts.select_sigmoid = true;
    Moe chunks{.n_expert = n_chunk, .n_expert_used = std::min<std::uint64_t>(spec.n_expert_used, n_chunk)};
    chunks.gate = b.weight("ffn_gate_chexps", il, {n_embd, n_ff, n_chunk});
    chunks.down = b.weight("ffn_down_chexps", il, {n_ff, n_embd, n_chunk});
    chunks.up = b.weight("ffn_up_chexps", il, {n_embd, n_ff, n_chunk});
    chunks.probs_in = logits;
    chunks.select_sigmoid = chunks.chunk_ids = true;
    const auto routed = b.moe_ffn(n, experts);
    // The chunk experts work on what the experts made.
    x = b.add(b.add(routed, b.scale(b.moe_ffn(routed, chunks))), y);
  }
  b.finish_lm(x);
}

/// smallthinker.cpp: the router reads the layer's input, before its norm.
void build_smallthinker(Builder& b)
{
  const auto& m = b.model();
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_auto();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    const auto router = b.weight("ffn_gate_inp", il, {m.n_embd, m.moe->n_expert});
    auto logits = b.mul_mat(router, x);
    const bool rope = !m.swa || il % 4 != 0;
    auto a = self_attention(b, b.norm(x, "attn_norm", il), attn, pos, {.rope = rope, .out_bias = true}, il);
    if (il == m.n_layer - 1) {
      a = b.get_rows(a, out_ids);
      x = b.get_rows(x, out_ids);
      logits = b.get_rows(logits, out_ids);
    }
    const auto y = b.add(a, x);
    const auto n = b.norm(y, "ffn_norm", il);
    x = b.add(expert_feed_forward(b, n, {.expert_act = Act::relu}, il, router, logits), y);
  }
  b.finish_lm(x);
}

}  // namespace canirun
