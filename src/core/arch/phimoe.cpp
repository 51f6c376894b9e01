#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace canirun {

/// phimoe.cpp, with phi3.cpp's graph: RMS norms with biases.
void build_phimoe(Builder& b)
{
  const auto& m = b.model();
  const auto norm = [&](Ref cur, std::string_view name, std::uint32_t il) {
    const auto w = b.weight(name, il, {m.n_embd});
    return b.norm(Norm::rms, cur, w, b.bias(name, il, m.n_embd), il);
  };
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_auto();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    // One set of factors is used at a time: the long one above the context that the model was first trained with.
    const auto long_factors = b.shared_if(m.rope_freqs, "rope_factors_long", il, {m.head_dim_k / 2});
    const auto factors = b.shared_if(m.rope_freqs, "rope_factors_short", il, {m.head_dim_k / 2});
    auto [q, k, v] = b.qkv(norm(x, "attn_norm", il), il, b.qkv_shape(il));
    q = b.scale(b.rope(q, pos, factors ? factors : long_factors));
    k = b.rope(k, pos, factors ? factors : long_factors);
    const auto wo = b.weight("attn_output", il, {m.head_v(il) * m.n_head(il), m.n_embd});
    const auto wo_b = b.bias("attn_output", il, m.n_embd);
    auto a = b.attention(attn, {.q = q, .k = k, .v = v, .wo = wo, .wo_b = wo_b}, il);
    if (il == m.n_layer - 1) {
      a = b.get_rows(a, out_ids);
      x = b.get_rows(x, out_ids);
    }
    const auto y = b.add(a, x);
    x = b.add(y, feed_forward(b, norm(y, "ffn_norm", il), {}, il));
  }
  const auto embd = norm(x, "output_norm", k_global);
  const auto w = b.output_weight();
  b.finish(embd, b.add(b.mul_mat(w, embd), b.bias("output", k_global, m.n_vocab)));
}

}  // namespace canirun
