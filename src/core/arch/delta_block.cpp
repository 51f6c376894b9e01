#include "arch/ssm.hpp"

namespace canirun {

Ref with_conv_state(Builder& b, const RecurrentInput& inp, Ref x, std::uint64_t d_conv, std::uint64_t channels, std::uint32_t il)
{
  const auto width = (d_conv - 1) * channels;
  const auto all = b.state(CacheKind::conv_state, il, width);
  const auto conv = b.reshape(b.rs(inp, all, width), d_conv - 1, channels, b.n_seqs());
  const auto joined = b.concat(conv, x, 0);
  const auto nb = b.at(joined).nb;
  const auto last = b.view_3d(joined, d_conv - 1, channels, b.n_seqs(), nb[1], nb[2], b.n_seq_tokens() * nb[0]);
  b.expand(b.cpy(last, b.view_2d(all, width, b.n_seqs(), b.at(all).nb[1], 0)));
  return joined;
}

namespace {

struct Mixed {
  Ref qkv, z;
};

/// The joint projection of Q, K, V and the gate Z, untangled where it is stored by key head (Qwen3-Next's ssm_in).
Mixed project(Builder& b, Ref cur, DeltaProjections projections, std::uint32_t il)
{
  const auto& m = b.model();
  const auto& s = *m.ssm;
  const std::uint64_t n_embd = m.n_embd, head = s.d_state, n_k = s.n_group, n_v = s.dt_rank;
  const std::uint64_t key_dim = head * n_k, value_dim = head * n_v;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens();
  const auto fused = projections == DeltaProjections::fused;
  const auto w_in = fused ? b.weight_if(false, "ssm_in", il, {n_embd, 2 * key_dim + 2 * value_dim}) : Ref{};
  if (!w_in) {
    const auto wqkv = b.weight("attn_qkv", il, {n_embd, 2 * key_dim + value_dim});
    const auto wz = b.weight("attn_gate", il, {n_embd, value_dim});
    const auto qkv = b.reshape(b.mul_mat(wqkv, cur), 2 * key_dim + value_dim, n_seq_tokens, n_seqs);
    return {qkv, b.mul_mat(wz, cur)};
  }
  const auto per_key = head * (n_v / n_k);
  const auto all = b.reshape(b.mul_mat(w_in, cur), 2 * head + 2 * per_key, n_k, n_seq_tokens, n_seqs);
  const auto nb = b.at(all).nb;
  const auto part = [&](std::uint64_t width, std::uint64_t offset) {
    return b.view_4d(all, {width, n_k, n_seq_tokens, n_seqs}, nb[1], nb[2], nb[3], offset * 4);
  };
  const auto q = part(head, 0), k = part(head, head), v = part(per_key, 2 * head);
  const auto z = b.cont(part(per_key, 2 * head + per_key));
  auto qkv = b.concat(b.cont(q, key_dim, n_seq_tokens, n_seqs), b.cont(k, key_dim, n_seq_tokens, n_seqs), 0);
  qkv = b.concat(qkv, b.cont(v, value_dim, n_seq_tokens, n_seqs), 0);
  return {qkv, z};
}

struct Decay {
  Ref beta, gate;
};

Decay decay(Builder& b, Ref cur, DeltaProjections projections, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd, n_k = m.ssm->n_group, n_v = m.ssm->dt_rank;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens();
  const auto dt = b.bias("ssm_dt", il, n_v);
  const auto a_log = b.bare("ssm_a", il, {n_v});
  Ref beta, alpha;
  if (projections == DeltaProjections::fused) {
    const auto w = b.weight("ssm_ba", il, {n_embd, 2 * n_v});
    const auto both = b.reshape(b.mul_mat(w, cur), 2 * n_v / n_k, n_k, n_seq_tokens, n_seqs);
    const auto nb = b.at(both).nb;
    const auto each = n_v / n_k;
    beta = b.sigmoid(b.cont(b.view_4d(both, {each, n_k, n_seq_tokens, n_seqs}, nb[1], nb[2], nb[3], 0)));
    beta = b.reshape(beta, 1, n_v, n_seq_tokens, n_seqs);
    alpha = b.cont(b.view_4d(both, {each, n_k, n_seq_tokens, n_seqs}, nb[1], nb[2], nb[3], each * 4), n_v, n_seq_tokens, n_seqs);
  } else {
    const auto w_beta = b.weight("ssm_beta", il, {n_embd, n_v});
    const auto w_alpha = b.weight("ssm_alpha", il, {n_embd, n_v});
    beta = b.sigmoid(b.reshape(b.mul_mat(w_beta, cur), 1, n_v, n_seq_tokens, n_seqs));
    alpha = b.reshape(b.mul_mat(w_alpha, cur), n_v, n_seq_tokens, n_seqs);
  }
  const auto gate = b.mul(b.softplus(b.add(alpha, dt)), a_log);
  return {beta, b.reshape(gate, 1, n_v, n_seq_tokens, n_seqs)};
}

}  // namespace

Ref gated_delta(Builder& b, const RecurrentInput& inp, Ref cur, DeltaProjections projections, std::uint32_t il)
{
  const auto& m = b.model();
  const auto& s = *m.ssm;
  const std::uint64_t head = s.d_state, n_k = s.n_group, n_v = s.dt_rank, key_dim = head * n_k, value_dim = head * n_v;
  const std::uint64_t channels = 2 * key_dim + value_dim, width = head * head * n_v;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens();
  const auto [qkv, z] = project(b, cur, projections, il);
  const auto [beta, gate] = decay(b, cur, projections, il);
  const auto w_conv = b.weight("ssm_conv1d", il, {s.d_conv, channels});
  const auto w_norm = b.weight("ssm_norm", il, {head});
  const auto w_out = b.weight("ssm_out", il, {value_dim, m.n_embd});

  const auto conv_in = with_conv_state(b, inp, b.transpose(qkv), s.d_conv, channels, il);
  const auto all = b.state(CacheKind::ssm_state, il, width);
  const auto state = b.reshape(b.rs(inp, all, width), head, head, n_v, n_seqs);
  const auto conv = b.silu(b.ssm_conv(conv_in, w_conv));
  const auto row = channels * 4;
  const auto part = [&](std::uint64_t n_head, std::uint64_t offset) {
    return b.view_4d(conv, {head, n_head, n_seq_tokens, n_seqs}, head * 4, row, row * n_seq_tokens, offset * 4);
  };
  auto q = b.scale(b.rms_norm(part(n_k, 0)));
  auto k = b.scale(b.rms_norm(part(n_k, key_dim)));
  const auto v = part(n_v, 2 * key_dim);
  if (projections == DeltaProjections::fused && n_k != n_v) {
    const auto repeated = [&](Ref r) {
      r = b.repeat(b.reshape(r, head, 1, n_k, n_seq_tokens * n_seqs), head, n_v / n_k, n_k, n_seq_tokens * n_seqs);
      return b.reshape(r, head, n_v, n_seq_tokens, n_seqs);
    };
    q = repeated(q);
    k = repeated(k);
  }

  const auto both = b.gated_delta_net(q, k, v, gate, beta, state);
  const auto out = b.view_4d(both, {head, n_v, n_seq_tokens, n_seqs}, head * 4, value_dim * 4, value_dim * n_seq_tokens * 4, 0);
  const auto next =
      b.view_4d(both, {head, head, n_v, n_seqs}, head * 4, head * head * 4, width * 4, value_dim * n_seq_tokens * n_seqs * 4);
  b.expand(b.cpy(next, b.view_2d(all, width, n_seqs, b.at(all).nb[1], 0)));
  auto y = b.norm(Norm::rms, out, w_norm, {}, il);
  y = b.mul(y, b.silu(b.reshape(z, head, n_v, n_seq_tokens, n_seqs)));
  y = b.mul_mat(w_out, b.reshape(y, value_dim, n_seq_tokens, n_seqs));
  return b.reshape(y, m.n_embd, n_seq_tokens * n_seqs);
}

Ref short_convolution(Builder& b, const RecurrentInput& inp, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd, d_conv = m.ssm->d_conv;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens();
  const auto w_conv = b.weight("shortconv.conv", il, {d_conv, n_embd});
  const auto w_in = b.weight("shortconv.in_proj", il, {n_embd, 3 * n_embd});
  const auto w_out = b.weight("shortconv.out_proj", il, {n_embd, n_embd});

  const auto all = b.mul_mat(w_in, b.reshape(cur, n_embd, n_seq_tokens, n_seqs));
  const auto nb = b.at(all).nb;
  const auto part = [&](std::uint64_t i) { return b.view_3d(all, n_embd, n_seq_tokens, n_seqs, nb[1], nb[2], i * n_embd * 4); };
  const auto gate = part(1);
  const auto bx = b.transpose(b.mul(part(0), part(2)));
  const auto joined = with_conv_state(b, inp, bx, d_conv, n_embd, il);
  const auto y = b.mul_mat(w_out, b.mul(gate, b.ssm_conv(joined, w_conv)));
  return b.reshape(y, n_embd, n_seq_tokens * n_seqs);
}

}  // namespace canirun
