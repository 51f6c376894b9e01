#include <array>

#include "arch/blocks.hpp"
#include "arch/families.hpp"
#include "arch/kimi.hpp"
#include "arch/mla.hpp"
#include "arch/ssm.hpp"
#include "arch/transformer.hpp"

namespace canirun {
namespace {

/// One of Q, K and V: a short convolution over its own third of the layer's convolution state. `all` is the stored state of the layer,
/// `fetched` that of the sequences in the batch [3 · taps · width, n_seqs].
Ref convolved(Builder& b, Ref x, Ref kernel, Ref all, Ref fetched, std::uint64_t part, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t d_conv = m.ssm->d_conv, head = m.ssm->head_dim, n_head = m.n_head(il), width = head * n_head,
                      taps = d_conv - 1;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens();
  const auto column = taps * 4, row = 3 * column * width, offset = part * column * width;
  const auto earlier = b.view_3d(fetched, taps, width, n_seqs, column, row, offset);
  const auto joined = b.concat(earlier, b.transpose(b.reshape(x, width, n_seq_tokens, n_seqs)), 0);
  const auto nb = b.at(joined).nb;
  const auto last = b.view_3d(joined, taps, width, n_seqs, nb[1], nb[2], n_seq_tokens * nb[0]);
  b.expand(b.cpy(last, b.view_3d(all, taps, width, n_seqs, column, row, offset)));
  const auto y = b.ssm_conv(joined, b.reshape(kernel, d_conv, width));
  return b.reshape(b.silu(b.reshape(y, width, b.n_tokens())), head, n_head, n_seq_tokens, n_seqs);
}

struct Projections {
  std::array<Ref, 3> in;  ///< Of Q, K and V, where one matrix makes all three.
  std::array<Ref, 3> w;   ///< Else a matrix for each.
};

Projections project(Builder& b, Ref cur, std::uint64_t width, std::uint32_t il)
{
  const std::uint64_t n_embd = b.model().n_embd;
  if (const auto fused = b.weight_if(false, "attn_qkv", il, {n_embd, 3 * width})) {
    const auto qkv = b.mul_mat(fused, cur);
    const auto part = [&](std::uint64_t i) {
      return b.cont(b.view_2d(qkv, width, b.n_tokens(), b.at(qkv).nb[1], i * width * 4));
    };
    const auto q = part(0), k = part(1), v = part(2);
    return {.in = {q, k, v}, .w = {}};
  }
  const auto q = b.weight("attn_q", il, {n_embd, width}), k = b.weight("attn_k", il, {n_embd, width});
  return {.in = {cur, cur, cur}, .w = {q, k, b.weight("attn_v", il, {n_embd, width})}};
}

}  // namespace

Ref kimi_delta(Builder& b, const RecurrentInput& inp, Ref cur, KimiGate gate, std::uint32_t il)
{
  const bool full_rank = gate == KimiGate::full_rank, direct = gate == KimiGate::direct;
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd, d_conv = m.ssm->d_conv, head = m.ssm->head_dim, n_head = m.n_head(il),
                      width = head * n_head;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens(), n_tokens = b.n_tokens();
  const auto conv_width = 3 * (d_conv - 1) * width, state_width = head * head * n_head;
  const auto kernel = [&](std::string_view name) { return b.weight(name, il, {d_conv, 1, width, 1}); };
  const std::array kernels{kernel("ssm_conv1d_q"), kernel("ssm_conv1d_k"), kernel("ssm_conv1d_v")};
  // One matrix, or two with a narrow middle.
  struct Projection {
    Ref a, b;
  };
  const auto projection = [&](std::string_view first, std::string_view second) {
    const bool narrow = !second.empty();
    const auto a = b.weight(first, il, {n_embd, narrow ? head : width});
    return Projection{a, narrow ? b.weight(second, il, {head, width}) : Ref{}};
  };
  const auto project_by = [&](const Projection& p, Ref x) {
    const auto y = b.mul_mat(p.a, x);
    return p.b ? b.mul_mat(p.b, y) : y;
  };
  const auto f = projection("ssm_f_a", direct ? "" : "ssm_f_b");
  const auto w_beta = b.weight("ssm_beta", il, {n_embd, n_head});
  const auto a_log = full_rank ? b.bare("ssm_a", il, {n_head}) : b.bare("ssm_a", il, {1, n_head, 1, 1});
  const auto dt = b.bias("ssm_dt", il, width);
  const auto g = full_rank ? projection("ssm_g", "") : projection("ssm_g_a", direct ? "" : "ssm_g_b");
  const auto o_norm = b.weight("ssm_norm", il, {head});
  const auto wo = b.weight("attn_output", il, {width, n_embd});

  const auto conv_all = b.state(CacheKind::conv_state, il, conv_width);
  const auto fetched = b.rs(inp, conv_all, conv_width);
  const auto x = project(b, cur, width, il);
  std::array<Ref, 3> qkv;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto in = x.w[i] ? b.mul_mat(x.w[i], x.in[i]) : x.in[i];
    qkv[i] = convolved(b, in, kernels[i], conv_all, fetched, i, il);
  }

  auto decay = b.add(project_by(f, cur), dt);
  if (gate == KimiGate::low_rank) decay = b.softplus(decay);
  decay = b.mul(b.reshape(decay, head, n_head, n_tokens), b.reshape(a_log, 1, n_head, 1));
  if (full_rank) decay = b.scale(decay);
  if (full_rank || direct) decay = b.scale(b.sigmoid(decay));
  decay = b.reshape(decay, head, n_head, n_seq_tokens, n_seqs);
  const auto beta = b.sigmoid(b.reshape(b.mul_mat(w_beta, cur), 1, n_head, n_seq_tokens, n_seqs));
  if (!direct) cur = b.reshape(b.reshape(cur, n_embd, n_seq_tokens, n_seqs), n_embd, n_tokens);

  const auto state_all = b.state(CacheKind::ssm_state, il, state_width);
  const auto state = b.reshape(b.rs(inp, state_all, state_width), head, head, n_head, n_seqs);
  const auto q = b.scale(b.rms_norm(qkv[0])), k = b.scale(b.rms_norm(qkv[1]));
  const auto both = b.gated_delta_net(q, k, qkv[2], decay, beta, state);
  const auto row = width * 4;
  auto y = b.cont(b.view_4d(both, {head, n_head, n_seq_tokens, n_seqs}, head * 4, row, row * n_seq_tokens, 0));
  const auto next = b.view_4d(both, {head, head, n_head, n_seqs}, head * 4, head * head * 4, state_width * 4, row * n_tokens);
  b.expand(b.cpy(next, b.view_1d(state_all, state_width * n_seqs, 0)));

  const auto gates = b.sigmoid(b.reshape(project_by(g, cur), head, n_head, n_tokens));
  y = b.mul(b.norm(Norm::rms, b.reshape(y, head, n_head, n_tokens), o_norm, {}, il), gates);
  return b.mul_mat(wo, b.cont(y, width, n_tokens));
}

/// kimi-linear.cpp: delta layers, and latent attention without rotation in between.
void build_kimi_linear(Builder& b)
{
  const auto& m = b.model();
  const FeedForwardOptions ffn{.gating = Gating::sigmoid, .scale_weights = true};
  auto stream = b.inp_embd();
  const auto rs = b.rs_inp();
  const auto attn = m.is_mla() ? b.attn_inp_k() : b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = stream;
    auto cur = b.norm(stream, "attn_norm", il);
    b.expand(cur);
    if (m.is_recurrent(il)) {
      cur = kimi_delta(b, rs, cur, KimiGate::low_rank, il);
    } else if (const auto x = latent_projections(b, cur, {}, il); m.is_mla()) {
      cur = b.attention(attn, absorbed_attention(b, x, {}, il), il);
    } else {
      cur = b.attention(attn, decompressed_attention(b, with_query_heads(b, x, il), {}, il), il);
    }
    if (il + 1 == m.n_layer) {
      cur = b.get_rows(cur, out_ids);
      residual = b.get_rows(residual, out_ids);
    }
    const auto ffn_inp = b.add(cur, residual);
    stream = b.add(feed_forward(b, b.norm(ffn_inp, "ffn_norm", il), ffn, il), ffn_inp);
  }
  b.finish_lm(stream);
}

}  // namespace canirun
