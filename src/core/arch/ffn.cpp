#include "arch/builder.hpp"

namespace canirun {

Ffn Builder::ffn_weights(std::uint32_t il, std::uint64_t n_ff, std::string_view suffix)
{
  const std::uint64_t n_embd = model_.n_embd;
  const auto has_bias = model_.ffn_bias;
  std::array<std::string, 3> names;
  if (!recording()) names = {"ffn_gate", "ffn_up", "ffn_down"};
  for (auto& name : names) name += suffix;
  Ffn f;
  if (model_.ffn_gated) {
    f.gate = weight(names[0], il, {n_embd, n_ff});
    f.gate_b = bias_if(has_bias, names[0], il, n_ff);
  }
  f.up = weight(names[1], il, {n_embd, n_ff});
  f.up_b = bias_if(has_bias, names[1], il, n_ff);
  f.down = weight(names[2], il, {n_ff, n_embd});
  f.down_b = bias_if(has_bias, names[2], il, n_embd);
  return f;
}

Ref Builder::activation(Act kind, Ref cur)
{
  switch (kind) {
    case Act::relu_sqr: return sqr(relu(cur));
    case Act::swiglu:
    case Act::geglu:
    case Act::reglu: return glu(cur);
    default: return unary(cur);
  }
}

Ref Builder::situ(Ref gate, Ref up)
{
  const auto bounded = [&](Ref x) { return scale(tanh(scale(x))); };
  const auto a = mul(bounded(gate), sigmoid(gate));
  return mul(a, bounded(up));
}

Ref Builder::ffn(Ref cur, const Ffn& f)
{
  auto up = f.up ? mul_mat(f.up, cur) : cur;
  if (f.up_b) up = add(up, f.up_b);

  if (f.gate) {
    cur = mul_mat(f.gate, f.sequential ? up : cur);
    if (f.gate_b) cur = add(cur, f.gate_b);
  } else {
    cur = up;
  }

  const auto parallel = f.gate && !f.sequential;
  const auto splits = f.act == Act::silu || f.act == Act::gelu || f.act == Act::relu;
  if (parallel && splits) {
    if (f.clamped) {
      up = clamp(up);
      cur = mul(clamp(silu(cur)), up);
    } else {
      cur = glu_split(cur, up);
    }
  } else {
    cur = activation(f.act, cur);
    if (f.act_scales) cur = div(cur, f.act_scales);
    if (parallel) cur = mul(cur, up);
  }

  if (f.down) cur = mul_mat(f.down, cur);
  if (f.down_b) cur = add(cur, f.down_b);
  return cur;
}

}  // namespace canirun
