#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {
namespace {

/// The chosen experts' input is weighted, not their output; the choice is by logits (llama-graph.cpp: build_moe_ffn).
Ref weighted_experts(Builder& b, Ref cur, std::uint32_t il)
{
  auto moe = b.moe_weights(il);
  moe.gating = Gating::sigmoid;
  moe.norm_weights = false;
  moe.weight_before_ffn = true;
  moe.select_logits = true;
  const auto routed = b.moe_ffn(cur, moe);
  const auto shared = b.ffn(cur, b.ffn_weights(il, b.model().moe->n_ff_expert, "_shexp"));
  return b.add(routed, shared);
}

}  // namespace

/// models/llama4.cpp: chunked layers rotate (and, in Scout, normalise) Q and K; every fourth layer sees everything, without rotation
/// but with queries scaled by position.
void build_llama4(Builder& b)
{
  const auto& m = b.model();
  const auto no_rope_step = m.swa ? 4 : m.n_layer;  // hparams.n_no_rope_layer_step, fixed by load_arch_hparams
  constexpr std::uint32_t k_maverick_experts = 128;
  const bool qk_norm = m.moe && m.moe->n_expert != k_maverick_experts;
  auto stream = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto temperature = b.inp_attn_scale();
  const auto inp = b.attn_inp_auto();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = stream;
    const bool rotate = (il + 1) % no_rope_step != 0;
    auto cur = b.norm(stream, "attn_norm", il);
    const auto factors = b.shared_if(m.rope_freqs, "rope_freqs", il, {m.n_rot / 2});
    auto [q, k, v] = b.qkv(cur, il, b.qkv_shape(il));
    if (rotate) {
      q = b.rope(q, pos, factors);
      k = b.rope(k, pos, factors);
      if (qk_norm) q = b.rms_norm(q);
      if (qk_norm) k = b.rms_norm(k);
    } else {
      q = b.mul(q, temperature);
    }
    cur = b.attention(inp, {.q = q, .k = k, .v = v, .wo = attn_output(b, il)}, il);
    keep_outputs(b, il, out_ids, cur, residual);
    const auto ffn_inp = b.add(cur, residual);
    cur = b.norm(ffn_inp, "ffn_norm", il);
    cur = m.is_moe(il) ? weighted_experts(b, cur, il) : dense_ffn(b, cur, il);
    stream = b.add(cur, ffn_inp);
  }
  b.finish_lm(stream);
}

}  // namespace canirun
