#include "arch/decoder.hpp"
#include "arch/families.hpp"
#include "arch/kimi.hpp"
#include "arch/mla.hpp"
#include "arch/transformer.hpp"

namespace canirun {

/// models/bailingmoe.cpp: Ling 1
void build_bailingmoe(Builder& b) { decoder(b, {.feed_forward = experts_or_dense}); }

/// models/bailingmoe2.cpp: Ling 2
void build_bailingmoe2(Builder& b)
{
  decoder(b, {.fused_qkv = true, .head_norm = HeadNorm::before_rope, .feed_forward = experts_or_dense});
}

/// models/bailingmoe3.cpp: Kimi's delta layers, and latent attention with a gate for each head in between.
void build_bailingmoe3(Builder& b)
{
  const auto& m = b.model();
  const FeedForwardOptions ffn{.gating = Gating::sigmoid, .scale_weights = true};
  auto stream = b.inp_embd();
  const auto states = b.rs_inp();
  const auto attn = b.attn_inp_k();
  const auto pos = b.inp_pos();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto cur = b.norm(stream, "attn_norm", il);
    if (m.is_recurrent(il)) {
      cur = kimi_delta(b, states, cur, KimiGate::direct, il);
    } else {
      const std::uint64_t n_head = m.n_head(il), head_v = m.mla->v_head_dim, n_tokens = b.n_tokens();
      auto request = absorbed_attention(b, latent_projections(b, cur, pos, il), pos, il);
      const auto wo = request.wo;
      request.wo = {};
      const auto w_gate = b.weight("attn_gate", il, {m.n_embd, n_head});
      const auto seen = b.attention(attn, request, il);
      const auto gate = b.sigmoid(b.reshape(b.mul_mat(w_gate, cur), 1, n_head, n_tokens));
      const auto gated = b.mul(b.reshape(seen, head_v, n_head, n_tokens), gate);
      cur = b.mul_mat(wo, b.cont(gated, head_v * n_head, n_tokens));
    }
    const auto ffn_inp = b.add(cur, stream);
    stream = b.add(feed_forward(b, b.norm(ffn_inp, "ffn_norm", il), ffn, il), ffn_inp);
  }
  logits_output(b, stream, {}, out_ids);
}

}  // namespace canirun
