#include "arch/families.hpp"

namespace canirun {
namespace {

constexpr std::uint64_t k_image_tokens = 8192;  // their logits are suppressed

/// A LayerNorm whose every head has weights of its own.
Ref head_norm(Builder& b, Ref cur, std::string_view name, std::uint64_t n_head, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t head = m.head_k(il);
  const auto w = b.weight(name, il, {head, n_head});
  return b.norm(Norm::layer, cur, w, b.bare_if(m.attn.qk_norm_bias, std::string(name) + ".bias", il, {head, n_head}), il);
}

}  // namespace

/// models/chameleon.cpp
void build_chameleon(Builder& b)
{
  const auto& m = b.model();
  auto inp = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = inp;
    const auto before = [&](Ref x, std::string_view name) { return m.swin_norm ? x : b.norm(x, name, il); };
    const auto after = [&](Ref x, std::string_view name) { return m.swin_norm ? b.norm(x, name, il) : x; };
    auto [q, k, v] = b.qkv(before(inp, "attn_norm"), il, b.qkv_shape(il));
    q = b.rope(head_norm(b, q, "attn_q_norm", m.n_head(il), il), pos);
    k = b.rope(head_norm(b, k, "attn_k_norm", m.n_head_kv(il), il), pos);
    const auto wo = b.weight("attn_output", il, {m.head_k(il) * m.n_head(il), m.n_embd});
    auto cur = b.attention(attn, {.q = q, .k = k, .v = v, .wo = wo}, il);
    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      residual = b.get_rows(residual, out_ids);
    }
    const auto ffn_inp = b.add(after(cur, "attn_norm"), residual);
    cur = b.ffn(before(ffn_inp, "ffn_norm"), b.ffn_weights(il, m.n_ff(il)));
    inp = b.add(after(cur, "ffn_norm"), ffn_inp);
  }
  const auto embd = b.norm(inp, "output_norm", k_global);
  const auto logits = b.mul_mat(b.output_weight(), embd);
  const auto suppressed = b.clamp(b.leaf(Leaf::input, TensorType::f32, {k_image_tokens, 1, 1, 1}, -1));
  b.finish(embd, b.custom(Op::set, TensorType::f32, b.at(logits).ne, {logits, suppressed}));
}

}  // namespace canirun
