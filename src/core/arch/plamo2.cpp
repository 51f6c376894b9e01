#include <algorithm>

#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace canirun {
namespace {

Ref rms(Builder& b, Ref cur, Ref w, std::uint32_t il) { return b.norm(Norm::rms, cur, w, {}, il); }

/// Mamba with heads, whose B, C and dt are normed; gate and input are interleaved head by head.
Ref state_space(Builder& b, const RecurrentInput& inputs, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  const auto& s = *m.ssm;
  const std::uint64_t n_embd = m.n_embd, d_conv = s.d_conv, d_inner = s.d_inner, d_state = s.d_state, n_head = s.dt_rank;
  const std::uint64_t head = n_head ? d_inner / n_head : d_inner, dt_dim = std::max<std::uint64_t>(64, n_embd / 16),
                      taps = d_conv - 1;
  const auto n_seqs = b.n_seqs(), n = b.n_seq_tokens();
  const auto w_in = b.weight("ssm_in", il, {n_embd, 2 * d_inner}), w_conv = b.weight("ssm_conv1d", il, {d_conv, d_inner});
  const auto w_x = b.weight("ssm_x", il, {d_inner, dt_dim + 2 * d_state}), w_dt = b.weight("ssm_dt", il, {dt_dim, n_head});
  const auto dt_b = b.bias("ssm_dt", il, n_head);
  const auto a_log = b.bare("ssm_a", il, {n_head}), d = b.bare("ssm_d", il, {n_head});
  const auto w_out = b.weight("ssm_out", il, {d_inner, n_embd});
  const auto dt_norm = b.bare("ssm_dt_norm", il, {dt_dim}), b_norm = b.bare("ssm_b_norm", il, {d_state});
  const auto c_norm = b.bare("ssm_c_norm", il, {d_state});

  const auto conv_all = b.state(CacheKind::conv_state, il, taps * d_inner);
  const auto conv = b.reshape(b.rs(inputs, conv_all, taps * d_inner), taps, d_inner, n_seqs);
  auto zx = b.mul_mat(w_in, b.reshape(cur, n_embd, n, n_seqs));
  zx = b.cont(b.permute(zx, 0, 2, 1, 3), 2 * head, n_head, n, n_seqs);
  const auto nz = b.at(zx).nb;
  const auto half = [&](std::uint64_t i) { return b.view_4d(zx, {head, n_head, n, n_seqs}, nz[1], nz[2], nz[3], i * head * 4); };
  auto x = b.cont(half(1), d_inner, n, n_seqs);
  const auto z = half(0);
  const auto joined = b.concat(conv, b.transpose(x), 0);
  const auto nj = b.at(joined).nb;
  const auto last = b.view_3d(joined, taps, d_inner, n_seqs, nj[1], nj[2], n * nj[0]);
  b.expand(b.cpy(last, b.view_1d(conv_all, taps * d_inner * n_seqs, 0)));
  x = b.silu(b.ssm_conv(joined, w_conv));

  const auto bcdt = b.mul_mat(w_x, x);
  const auto np = b.at(bcdt).nb;
  const auto part = [&](std::uint64_t width, std::uint64_t offset) {
    return b.view_3d(bcdt, width, n, n_seqs, np[1], np[2], offset * 4);
  };
  const auto spread = [&](Ref r) {
    const auto nb = b.at(r).nb;
    return b.view_4d(r, {d_state, 1, n, n_seqs}, d_state * nb[0], nb[1], nb[2], 0);
  };
  const auto in = rms(b, part(d_state, 0), b_norm, il), out = rms(b, part(d_state, d_state), c_norm, il);
  const auto dt = b.add(b.mul_mat(w_dt, rms(b, part(dt_dim, 2 * d_state), dt_norm, il)), dt_b);
  const auto a = b.reshape(a_log, 1, n_head);
  x = b.view_4d(x, {head, n_head, n, n_seqs}, head * 4, d_inner * 4, d_inner * n * 4, 0);
  const auto state_in = spread(in), state_out = spread(out);
  const auto width = d_state * d_inner;
  const auto all = b.state(CacheKind::ssm_state, il, width);
  const auto both = b.rs(inputs, all, width, [&](Ref states, Ref ids) {
    return b.ssm_scan(b.reshape(states, d_state, head, n_head, n_seqs), x, dt, a, state_in, state_out, ids);
  });
  b.expand(b.cpy(b.view_1d(both, width * n_seqs, d_inner * n * n_seqs * 4), b.view_1d(all, width * n_seqs, 0)));
  auto y = b.view_4d(both, {head, n_head, n, n_seqs}, head * 4, d_inner * 4, d_inner * n * 4, 0);
  y = b.add(y, b.mul(x, b.reshape(d, 1, n_head)));
  y = b.glu_split(b.cont(z), y);
  y = b.view_3d(y, d_inner, n, n_seqs, b.at(y).nb[2], b.at(y).nb[3], 0);
  return b.reshape(b.mul_mat(w_out, y), n_embd, n * n_seqs);
}

/// Q and K have a norm for each head.
Ref attention(Builder& b, const AttentionInput& inputs, Ref pos, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t n_head = m.n_head(il), n_head_kv = m.n_head_kv(il), head_k = m.head_k(il), head_v = m.head_v(il);
  const auto wqkv = b.weight("attn_qkv", il, {m.n_embd, head_k * (n_head + n_head_kv) + head_v * n_head_kv});
  const auto q_norm = b.weight("attn_q_norm", il, {head_k, n_head}), k_norm = b.weight("attn_k_norm", il, {head_k, n_head_kv});
  const auto wo = b.weight("attn_output", il, {n_head * head_v, m.n_embd});
  const auto qkv = b.mul_mat(wqkv, cur);
  const auto part = [&](std::uint64_t head, std::uint64_t n, std::uint64_t offset) {
    return b.view_3d(qkv, head, n, b.n_tokens(), head * 4, b.at(qkv).nb[1], offset * 4);
  };
  const auto q = part(head_k, n_head, 0), k = part(head_k, n_head_kv, head_k * n_head);
  const auto v = part(head_v, n_head_kv, head_k * (n_head + n_head_kv));
  const auto rotated_q = b.rope(rms(b, q, q_norm, il), pos), rotated_k = b.rope(rms(b, k, k_norm, il), pos);
  return b.attention(inputs, {.q = rotated_q, .k = rotated_k, .v = v, .wo = wo}, il);
}

}  // namespace

/// plamo2.cpp. Its norms after the parts have names without ".weight".
void build_plamo2(Builder& b)
{
  const auto& m = b.model();
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto states = b.rs_inp();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto cur = b.norm(x, "attn_norm", il);
    cur = m.is_recurrent(il) ? state_space(b, states, cur, il) : attention(b, attn, pos, cur, il);
    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      x = b.get_rows(x, out_ids);
    }
    const auto y = b.add(rms(b, cur, b.bare("post_attention_norm", il, {m.n_embd}), il), x);
    cur = dense_feed_forward(b, b.norm(y, "ffn_norm", il), {.act = Act::swiglu, .fused_gate = true}, il);
    x = b.add(rms(b, cur, b.bare("post_ffw_norm", il, {m.n_embd}), il), y);
  }
  b.finish_lm(x);
}

}  // namespace canirun
