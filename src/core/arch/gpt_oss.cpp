#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {
namespace {

/// Router and experts, all with biases; the weights of the chosen experts are a softmax of their logits alone.
Moe biased_experts(Builder& b, std::uint32_t il)
{
  const auto& spec = *b.model().moe;
  const std::uint64_t n_embd = b.model().n_embd, n_expert = spec.n_expert, n_ff = spec.n_ff_expert;
  Moe moe;
  moe.n_expert = n_expert;
  moe.n_expert_used = spec.n_expert_used;
  moe.gating = Gating::softmax_weight;
  moe.norm_weights = false;
  moe.gate_inp = b.weight("ffn_gate_inp", il, {n_embd, n_expert});
  moe.gate_inp_b = b.bias("ffn_gate_inp", il, n_expert);
  moe.gate = b.weight("ffn_gate_exps", il, {n_embd, n_ff, n_expert});
  moe.gate_b = b.bare("ffn_gate_exps.bias", il, {n_ff, n_expert});
  moe.down = b.weight("ffn_down_exps", il, {n_ff, n_embd, n_expert});
  moe.down_b = b.bare("ffn_down_exps.bias", il, {n_embd, n_expert});
  moe.up = b.weight("ffn_up_exps", il, {n_embd, n_ff, n_expert});
  moe.up_b = b.bare("ffn_up_exps.bias", il, {n_ff, n_expert});
  return moe;
}

}  // namespace

/// models/openai-moe.cpp. Unlike other models it keeps all tokens up to the last sum, only then the rows that need logits.
void build_gpt_oss(Builder& b)
{
  const auto& m = b.model();
  auto stream = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto inp = b.attn_inp_kv_iswa();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto cur = b.norm(stream, "attn_norm", il);
    auto [q, k, v] = b.qkv(cur, il, b.qkv_shape(il));
    q = b.rope(q, pos);
    k = b.rope(k, pos);
    const auto wo = attn_output(b, il);
    const auto wo_b = b.bias("attn_output", il, m.n_embd);
    const auto sinks = b.weight("attn_sinks", il, {m.n_head(il)});
    cur = b.attention(inp, {.q = q, .k = k, .v = v, .wo = wo, .wo_b = wo_b, .sinks = sinks}, il);
    const auto ffn_inp = b.add(cur, stream);
    cur = b.norm(ffn_inp, "post_attention_norm", il);
    cur = b.moe_ffn(cur, biased_experts(b, il));
    stream = b.add(cur, ffn_inp);
  }
  b.set_output(stream);  // h_nextn: drafting models may ask for it, so it is never freed (llm_graph_result::set_outputs)
  b.finish_lm(b.get_rows(stream, out_ids));
}

}  // namespace canirun
