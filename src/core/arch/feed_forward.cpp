#include "arch/blocks.hpp"

namespace canirun {

Ref dense_feed_forward(Builder& b, Ref cur, const FeedForwardOptions& o, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd, n_ff = m.n_ff(il) / (o.halved ? 2 : 1), n_up = o.fused_gate ? 2 * n_ff : n_ff;
  Ffn f{.act = o.act};
  if (o.gated && !o.fused_gate) {
    f.gate = b.weight("ffn_gate", il, {n_embd, n_ff});
    f.gate_b = b.bias_if(m.ffn_bias, "ffn_gate", il, n_ff);
  }
  f.up = b.weight("ffn_up", il, {n_embd, n_up});
  f.up_b = b.bias_if(m.ffn_bias && !o.fused_gate, "ffn_up", il, n_up);  // Jina's BERT has one after the product only
  const auto down = b.weight("ffn_down", il, {n_ff, n_embd});
  const auto down_b = b.bias_if(m.ffn_bias, "ffn_down", il, n_embd);
  if (!o.sub_norm) {
    f.down = down;
    f.down_b = down_b;
    return b.ffn(cur, f);
  }
  cur = b.ffn(cur, f);
  cur = b.norm(Norm::rms, cur, b.weight("ffn_sub_norm", il, {n_ff}), {}, il);
  return b.mul_mat(down, cur);
}

Ref expert_feed_forward(Builder& b, Ref cur, const FeedForwardOptions& o, std::uint32_t il, Ref router, Ref logits)
{
  const auto& spec = *b.model().moe;
  const std::uint64_t n_embd = spec.expert_latent ? spec.expert_latent : b.model().n_embd;
  const std::uint64_t n_expert = spec.n_expert, n_ff = spec.n_ff_expert;
  Moe m{.gate_inp = router,
        .probs_in = logits,
        .n_expert = n_expert,
        .n_expert_used = spec.n_expert_used,
        .act = o.expert_act,
        .gating = o.gating,
        .norm_weights = o.norm_weights,
        .scale_weights = o.scale_weights};
  m.probs_b = o.bare_router_bias ? b.bare_if(spec.router_bias, "exp_probs_b", il, {n_expert})
                                 : b.bias_if(spec.router_bias, "exp_probs_b", il, n_expert);
  if (o.gate_up_exps) m.gate_up = b.weight_if(false, "ffn_gate_up_exps", il, {n_embd, 2 * n_ff, n_expert});
  if (!m.gate_up) {
    if (spec.gated) m.gate = b.weight("ffn_gate_exps", il, {n_embd, n_ff, n_expert});
    m.up = b.weight("ffn_up_exps", il, {n_embd, n_ff, n_expert});
  }
  m.down = b.weight("ffn_down_exps", il, {n_ff, n_embd, n_expert});
  return b.moe_ffn(cur, m);
}

Ref shared_experts(Builder& b, Ref cur, const FeedForwardOptions& o, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd, n_ff = m.moe->n_ff_shared;
  Ffn f{.act = o.expert_act};
  if (m.moe->gated) f.gate = b.weight("ffn_gate_shexp", il, {n_embd, n_ff});
  f.up = b.weight("ffn_up_shexp", il, {n_embd, n_ff});
  f.down = b.weight("ffn_down_shexp", il, {n_ff, n_embd});
  if (o.shared_gate == SharedGate::none) return b.ffn(cur, f);

  // One number a token.
  const auto w = b.weight("ffn_gate_inp_shexp", il, {n_embd});
  auto gate = b.mul_mat(w, cur);
  gate = o.shared_gate == SharedGate::silu ? b.div(b.silu(gate), gate) : b.sigmoid(gate);
  return b.mul(b.ffn(cur, f), gate);
}

Ref feed_forward(Builder& b, Ref cur, const FeedForwardOptions& o, std::uint32_t il)
{
  const auto& m = b.model();
  if (!m.moe) return dense_feed_forward(b, cur, o, il);
  const auto router = b.weight_if(m.is_moe(il), "ffn_gate_inp", il, {m.n_embd, m.moe->n_expert});
  if (!router) return dense_feed_forward(b, cur, o, il);
  const auto experts = expert_feed_forward(b, cur, o, il, router);
  if (m.moe->n_ff_shared == 0) return experts;
  const auto sum = b.add(experts, shared_experts(b, cur, o, il));
  return o.halved_sum ? b.scale(sum) : sum;
}

}  // namespace canirun
