#include "arch/blocks.hpp"
#include "arch/families.hpp"
#include "arch/kimi.hpp"
#include "arch/mla.hpp"

/// \file
/// models/kimi-k3.cpp: delta layers, gated latent attention without rotation, experts in a narrower space, and a residual stream that is
/// mixed from itself and what earlier blocks of layers left (attn_res.block_size).

namespace canirun {
namespace {

class KimiK3 {
 public:
  explicit KimiK3(Builder& b) : b_(b), m_(b.model()), n_embd_(m_.n_embd), n_tokens_(b.n_tokens()) {}

  void build()
  {
    auto stream = b_.inp_embd();
    states_ = b_.rs_inp();
    attn_ = m_.is_mla() ? b_.attn_inp_k() : b_.attn_inp_kv();
    const auto out_ids = b_.inp_out_ids();
    for (const auto il : b_.layers()) {
      auto cur = mixed(stream, score("attn_res_score", il));
      const bool banks = m_.attn_res_block_size > 0 && il % m_.attn_res_block_size == 0;
      if (banks) bank(stream);
      cur = b_.norm(cur, "attn_norm", il);
      b_.expand(cur);
      cur = m_.is_recurrent(il) ? kimi_delta(b_, states_, cur, KimiGate::full_rank, il) : attention(cur, il);
      stream = banks ? cur : b_.add(stream, cur);
      cur = b_.norm(mixed(stream, score("ffn_res_score", il)), "ffn_norm", il);
      stream = b_.add(stream, m_.is_moe(il) ? experts(cur, il) : dense(cur, il));
    }
    b_.finish_lm(b_.get_rows(mixed(stream, score("output_res_score", k_global)), out_ids));
  }

 private:
  Ref score(const char* name, std::uint32_t il) { return b_.weight_if(m_.attn_res_block_size > 0, name, il, {n_embd_}); }

  void bank(Ref stream)
  {
    const auto kept = b_.reshape(stream, n_embd_, 1, n_tokens_);
    banked_ = banked_ ? b_.concat(banked_, kept, 1) : kept;
    ++n_banked_;
  }

  /// res_mix: a weighted sum of the stream and all that was banked, by how each scores.
  Ref mixed(Ref cur, Ref score)
  {
    if (n_banked_ == 0 || !score) return cur;
    const auto scores = [&](Ref x) { return b_.sum_rows(b_.mul(b_.rms_norm(x), score)); };
    const auto earlier = b_.reshape(scores(banked_), n_banked_, n_tokens_);
    const auto shares = b_.soft_max(b_.concat(earlier, scores(cur), 0));
    const auto row = 4 * (n_banked_ + 1);
    const auto of_banked = b_.cont(b_.view_2d(shares, n_banked_, n_tokens_, row, 0));
    const auto of_stream = b_.cont(b_.view_2d(shares, 1, n_tokens_, row, 4 * n_banked_));
    const auto sum = b_.custom(Op::dsv4_hc_pre, TensorType::f32, {n_embd_, n_tokens_, 1, 1}, {banked_, of_banked});
    return b_.add(sum, b_.mul(cur, of_stream));
  }

  Ref attention(Ref cur, std::uint32_t il)
  {
    const auto x = latent_projections(b_, cur, {}, il);
    auto request =
        m_.is_mla() ? absorbed_attention(b_, x, {}, il) : decompressed_attention(b_, with_query_heads(b_, x, il), {}, il);
    const auto wo = request.wo;
    request.wo = {};
    const auto w_gate = b_.weight_if(true, "attn_gate", il, {n_embd_, std::uint64_t{m_.n_head(il)} * m_.mla->v_head_dim});
    auto out = b_.attention(attn_, request, il);
    if (w_gate) out = b_.mul(out, b_.sigmoid(b_.mul_mat(w_gate, cur)));
    return b_.mul_mat(wo, out);
  }

  Ref gated(Ref cur, Ref w_gate, Ref w_up, Ref w_down)
  {
    return b_.mul_mat(w_down, b_.situ(b_.mul_mat(w_gate, cur), b_.mul_mat(w_up, cur)));
  }

  Ref dense(Ref cur, std::uint32_t il)
  {
    const std::uint64_t n_ff = m_.n_ff(il);
    const auto w_gate = b_.weight("ffn_gate", il, {n_embd_, n_ff}), w_up = b_.weight("ffn_up", il, {n_embd_, n_ff});
    return gated(cur, w_gate, w_up, b_.weight("ffn_down", il, {n_ff, n_embd_}));
  }

  Ref experts(Ref cur, std::uint32_t il)
  {
    const auto& moe = *m_.moe;
    const std::uint64_t latent = moe.expert_latent, n_shared = moe.n_ff_shared;
    const FeedForwardOptions o{.gating = Gating::sigmoid, .scale_weights = true, .expert_act = Act::situ};
    const auto down = b_.weight_if(latent > 0, "ffn_routed_down", il, {n_embd_, latent});
    const auto narrow = down ? b_.mul_mat(down, cur) : cur;
    const auto router = b_.weight("ffn_gate_inp", il, {n_embd_, moe.n_expert});
    auto out = expert_feed_forward(b_, narrow, o, il, router, b_.mul_mat(router, cur));
    if (const auto norm = b_.weight_if(moe.latent_norm, "ffn_routed_norm", il, {latent}))
      out = b_.norm(Norm::rms, out, norm, {}, il);
    if (const auto up = b_.weight_if(latent > 0, "ffn_routed_up", il, {latent, n_embd_})) out = b_.mul_mat(up, out);
    const auto w_gate = b_.weight_if(n_shared > 0, "ffn_gate_shexp", il, {n_embd_, n_shared});
    if (!w_gate) return out;
    const auto w_up = b_.weight("ffn_up_shexp", il, {n_embd_, n_shared});
    return b_.add(out, gated(cur, w_gate, w_up, b_.weight("ffn_down_shexp", il, {n_shared, n_embd_})));
  }

  Builder& b_;
  const ModelSpec& m_;
  std::uint64_t n_embd_, n_tokens_;
  AttentionInput attn_;
  RecurrentInput states_;
  Ref banked_;  ///< [n_embd, n_banked, n_tokens]
  std::uint64_t n_banked_ = 0;
};

}  // namespace

void build_kimi_k3(Builder& b) { KimiK3(b).build(); }

}  // namespace canirun
