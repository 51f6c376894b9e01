#include "arch/blocks.hpp"
#include "arch/families.hpp"
#include "arch/mamba.hpp"

namespace canirun {

/// models/falcon-h1.cpp: attention and state space side by side in every layer.
void build_falcon_h1(Builder& b)
{
  const auto& m = b.model();
  auto inp = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto states = b.rs_inp();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    const auto w = b.weight("attn_norm", il, {m.n_embd});
    const auto attended = self_attention(b, b.norm(Norm::rms, inp, w, {}, il), attn, pos, {}, il);
    // The norm is computed a second time.
    const auto mixed = mamba2_layer(b, states, b.norm(Norm::rms, inp, w, {}, il), il);
    auto residual = b.add(b.add(attended, mixed), inp);
    if (il == m.n_layer - 1) residual = b.get_rows(residual, out_ids);
    const auto cur = b.norm(Norm::rms, residual, b.bare("ffn_norm", il, {m.n_embd}), {}, il);
    inp = b.add(dense_feed_forward(b, cur, {}, il), residual);
  }
  b.finish_lm(inp);
}

/// models/granite-hybrid.cpp: Mamba-2 layers with some of attention, without rotation; residuals and logits are scaled.
void build_granite_hybrid(Builder& b)
{
  const auto& m = b.model();
  auto inp = b.inp_embd(true);
  const auto states = b.rs_inp();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = inp;
    auto cur = b.norm(inp, "attn_norm", il);
    cur = m.is_recurrent(il) ? mamba2_layer(b, states, cur, il)
                             : self_attention(b, cur, attn, {}, {.rope = false, .out_bias = true}, il);
    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      residual = b.get_rows(residual, out_ids);
    }
    const auto ffn_inp = b.add(b.scale(cur), residual);
    cur = feed_forward(b, b.norm(ffn_inp, "ffn_norm", il), {}, il);
    inp = b.add(b.scale(cur), ffn_inp);
  }
  const auto embd = b.norm(inp, "output_norm", k_global);
  b.finish(embd, b.scale(b.mul_mat(b.output_weight(), embd)));
}

/// models/jamba.cpp
void build_jamba(Builder& b)
{
  const auto& m = b.model();
  auto inp = b.inp_embd();
  const auto states = b.rs_inp();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto cur = b.norm(inp, "attn_norm", il);
    cur = m.is_recurrent(il) ? mamba1_layer(b, states, cur, il, true) : self_attention(b, cur, attn, {}, {.rope = false}, il);
    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      inp = b.get_rows(inp, out_ids);
    }
    const auto ffn_inp = b.add(inp, cur);
    cur = feed_forward(b, b.norm(ffn_inp, "ffn_norm", il), {.norm_weights = false}, il);
    inp = b.add(ffn_inp, cur);
  }
  b.finish_lm(inp);
}

namespace {

/// Experts that may work on a narrower vector than the rest, and a shared expert of full width.
Ref nemotron_experts(Builder& b, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  const FeedForwardOptions o{.gating = Gating::sigmoid, .scale_weights = true, .expert_act = Act::relu_sqr};
  const std::uint64_t latent = m.moe->expert_latent;
  const auto down = b.weight_if(latent > 0, "ffn_latent_down", il, {m.n_embd, latent});
  const auto narrow = down ? b.mul_mat(down, cur) : cur;
  const auto router = b.weight("ffn_gate_inp", il, {m.n_embd, m.moe->n_expert});
  const auto logits = b.mul_mat(router, cur);
  auto experts = expert_feed_forward(b, narrow, o, il, router, logits);
  const auto up = b.weight_if(latent > 0, "ffn_latent_up", il, {latent, m.n_embd});
  if (up) experts = b.mul_mat(up, experts);
  return b.add(experts, shared_experts(b, cur, o, il));
}

}  // namespace

/// models/nemotron-h.cpp: each layer is one of Mamba-2, attention and feed-forward.
void build_nemotron_h(Builder& b)
{
  const auto& m = b.model();
  auto inp = b.inp_embd();
  const auto states = b.rs_inp();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto cur = b.norm(inp, "attn_norm", il);
    if (m.is_recurrent(il)) {
      cur = mamba2_layer(b, states, cur, il);
    } else if (m.n_ff(il) == 0) {
      cur = self_attention(b, cur, attn, {}, {.rope = false, .out_bias = true}, il);
    } else if (m.moe) {
      cur = nemotron_experts(b, cur, il);
    } else {
      cur = dense_feed_forward(b, cur, {.act = Act::relu_sqr, .gated = false}, il);
    }
    inp = b.add(cur, inp);
  }
  // All rows are normalised, and kept for a draft head, before those of the output are picked.
  const auto all = b.norm(inp, "output_norm", k_global);
  b.set_output(all);
  const auto embd = b.get_rows(all, out_ids);
  b.finish(embd, b.mul_mat(b.output_weight(), embd));
}

}  // namespace canirun
