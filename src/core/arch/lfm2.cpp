#include "arch/families.hpp"
#include "arch/ssm.hpp"
#include "arch/transformer.hpp"

namespace canirun {

/// lfm2.cpp, lfm2moe.cpp: the final norm is called token_embd_norm.
void build_lfm2(Builder& b)
{
  const auto& m = b.model();
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_auto();
  const auto rs = b.rs_inp();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    const auto n = b.norm(x, "attn_norm", il);
    auto a = m.n_head_kv(il) == 0 ? short_convolution(b, rs, n, il)
                                  : self_attention(b, n, attn, pos, {.qk_norm = QkNorm::per_head}, il);
    if (il == m.n_layer - 1) {
      a = b.get_rows(a, out_ids);
      x = b.get_rows(x, out_ids);
    }
    const auto y = b.add(x, a);
    x = b.add(y, feed_forward(b, b.norm(y, "ffn_norm", il), {.gating = Gating::sigmoid}, il));
  }
  const auto embd = b.norm(x, "token_embd_norm", k_global);
  const auto w = b.output_weight();
  b.finish(embd, b.request().embeddings ? Ref{} : b.mul_mat(w, embd));
}

}  // namespace canirun
