#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {
namespace {

/// Experts and, in Grok-2, a dense block of another width beside them.
Ref experts_and_dense(Builder& b, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  const auto routed = expert_ffn(b, cur, il, {.norm_weights = true, .act = Act::gelu});
  const std::uint64_t n_embd = m.n_embd, n_ff = m.n_ff(il);
  const bool has_dense = n_ff != m.moe->n_ff_expert;
  Ffn dense;
  dense.act = Act::gelu;
  dense.gate = b.weight_if(has_dense, "ffn_gate", il, {n_embd, n_ff});
  dense.down = b.weight_if(has_dense, "ffn_down", il, {n_ff, n_embd});
  dense.up = b.weight_if(has_dense, "ffn_up", il, {n_embd, n_ff});
  return dense.up ? b.scale(b.add(b.ffn(cur, dense), routed)) : routed;
}

}  // namespace

/// models/grok.cpp: norms after attention and experts too, capped attention scores (never flash attention), scaled logits.
void build_grok(Builder& b)
{
  auto stream = b.inp_embd(true);
  const auto pos = b.inp_pos();
  const auto inp = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = stream;
    auto cur = b.norm(stream, "attn_norm", il);
    auto [q, k, v] = b.qkv(cur, il, b.qkv_shape(il));
    q = b.rope(q, pos);
    k = b.rope(k, pos);
    cur = b.attention(inp, {.q = q, .k = k, .v = v, .wo = attn_output(b, il), .grok_cap = true}, il);
    keep_outputs(b, il, out_ids, cur, residual);
    cur = b.norm(cur, "attn_output_norm", il);
    const auto ffn_inp = b.add(cur, residual);
    cur = experts_and_dense(b, b.norm(ffn_inp, "ffn_norm", il), il);
    cur = b.norm(cur, "layer_output_norm", il);
    stream = b.add(cur, ffn_inp);
  }
  const auto embd = b.norm(stream, "output_norm", k_global);
  b.finish(embd, b.scale(b.mul_mat(b.output_weight(), embd)));
}

}  // namespace canirun
