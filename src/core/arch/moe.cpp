#include "arch/builder.hpp"

namespace canirun {

Moe Builder::moe_weights(std::uint32_t il)
{
  const auto& spec = *model_.moe;
  const std::uint64_t n_embd = model_.n_embd, n_expert = spec.n_expert, n_ff = spec.n_ff_expert;
  Moe m;
  m.n_expert = n_expert;
  m.n_expert_used = spec.n_expert_used;
  m.gate_inp = weight("ffn_gate_inp", il, {n_embd, n_expert});
  m.probs_b = bias_if(spec.router_bias, "exp_probs_b", il, n_expert);
  if (spec.gated) m.gate = weight("ffn_gate_exps", il, {n_embd, n_ff, n_expert});
  m.down = weight("ffn_down_exps", il, {n_ff, n_embd, n_expert});
  m.up = weight("ffn_up_exps", il, {n_embd, n_ff, n_expert});
  return m;
}

Ref Builder::moe_ffn(Ref cur, const Moe& m)
{
  if (!recording()) return cur;
  const auto n_embd = at(cur).ne[0], n_tokens = at(cur).ne[1];

  auto logits = m.probs_in ? m.probs_in : mul_mat(m.gate_inp, cur);
  if (m.gate_inp_b) logits = add(logits, m.gate_inp_b);
  auto probs = logits;
  switch (m.gating) {
    case Gating::softmax: probs = soft_max(logits); break;
    case Gating::sigmoid: probs = sigmoid(logits); break;
    case Gating::softmax_weight: break;
    case Gating::sqrt_softplus: probs = sqrt(softplus(logits)); break;
  }

  auto selection = m.probs_b ? add(probs, m.probs_b) : probs;
  if (m.select_logits) selection = logits;
  if (m.select_sigmoid) selection = sigmoid(logits);
  if (m.n_groups > 1) {
    const auto per_group = m.n_expert / m.n_groups;
    const auto groups = reshape(selection, per_group, m.n_groups, n_tokens);
    auto scores = argsort_top_k(groups, 2);
    scores = get_rows(reshape(groups, 1, per_group, m.n_groups, n_tokens), scores);
    scores = sum_rows(reshape(scores, at(scores).ne[1], at(scores).ne[2], at(scores).ne[3]));
    scores = reshape(scores, m.n_groups, n_tokens);
    const auto best = argsort_top_k(scores, m.n_groups_used);
    const auto kept = get_rows(groups, best);
    selection = reshape(set_rows(fill(groups), kept, best), m.n_expert, n_tokens);
  }

  auto ids = m.selected_in ? m.selected_in : argsort_top_k(selection, m.n_expert_used);
  if (m.chunk_ids) ids = cast(scale(cast(ids, TensorType::f32)), TensorType::i32);
  auto weights = get_rows(reshape(probs, 1, at(probs).ne[0], n_tokens), ids);
  if (m.gating == Gating::softmax_weight) {
    weights = soft_max(reshape(weights, m.n_expert_used, n_tokens));
    weights = reshape(weights, 1, m.n_expert_used, n_tokens);
  }
  if (m.norm_weights) {
    weights = reshape(weights, m.n_expert_used, n_tokens);
    weights = div(weights, clamp(sum_rows(weights)));
    weights = reshape(weights, 1, m.n_expert_used, n_tokens);
  }
  if (m.scale_weights) weights = scale(weights);
  expand(weights);

  cur = reshape(cur, n_embd, 1, n_tokens);
  if (m.weight_before_ffn) cur = mul(repeat(cur, n_embd, m.n_expert_used, n_tokens), weights);

  Ref up;
  if (m.gate_up) {
    auto both = mul_mat_id(m.gate_up, cur, ids);
    if (m.gate_up_b) both = add_id(both, m.gate_up_b, ids);
    const auto t = at(both);
    const auto n_ff = t.ne[0] / 2;
    cur = view_3d(both, n_ff, t.ne[1], t.ne[2], t.nb[1], t.nb[2], 0);
    up = view_3d(both, n_ff, t.ne[1], t.ne[2], t.nb[1], t.nb[2], n_ff * t.nb[0]);
  } else {
    up = mul_mat_id(m.up, cur, ids);
    if (m.up_b) up = add_id(up, m.up_b, ids);
    cur = m.gate ? mul_mat_id(m.gate, cur, ids) : up;
    if (m.gate_b) cur = add_id(cur, m.gate_b, ids);
  }

  const auto gated = m.gate || m.gate_up;
  if (m.clamped && m.gate) {
    up = clamp(up);
    cur = mul(clamp(silu(cur)), up);
  } else if (m.act == Act::situ) {
    cur = situ(cur, up);
  } else {
    cur = gated ? glu_split(cur, up) : activation(m.act, cur);
  }

  auto experts = mul_mat_id(m.down, cur, ids);
  if (m.down_prec_f32) prec_src_f32(experts);
  if (m.down_scale) {
    const auto scales = repeat(reshape(m.down_scale, 1, m.n_expert), 1, m.n_expert, n_tokens);
    experts = mul(experts, get_rows(scales, ids));
  }
  if (m.down_b) experts = add_id(experts, m.down_b, ids);
  if (!m.weight_before_ffn) experts = mul(experts, weights);
  expand(experts);

  // The views are ordered before the sums.
  const auto t = at(experts);
  const auto view = [&](std::uint64_t i) { return view_2d(experts, n_embd, n_tokens, t.nb[2], i * t.nb[1]); };
  std::vector<Ref> parts(m.n_expert_used);
  for (std::uint64_t i = 0; i < m.n_expert_used; ++i) {
    parts[i] = view(i);
    expand(parts[i]);
  }
  auto out = parts.at(0);
  for (std::uint64_t i = 1; i < m.n_expert_used; ++i) {
    out = add(out, parts[i]);
    expand(out);
  }
  return m.n_expert_used == 1 ? cont(out) : out;
}

}  // namespace canirun
