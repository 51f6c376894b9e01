#include "arch/mamba.hpp"

#include "arch/families.hpp"

namespace canirun {
namespace {

constexpr std::uint64_t k_float = 4;  // every activation and state is f32

/// The convolution's input: the last columns of the state before the new tokens; they become the state. [d_conv − 1 + n, width, n_seqs]
Ref shift_in(Builder& b, Ref state, Ref conv, Ref x, std::uint64_t n_taps, std::uint64_t width)
{
  const auto joined = b.concat(conv, b.transpose(x), 0);
  const auto& t = b.at(joined);
  const auto last = b.view_3d(joined, n_taps, width, b.n_seqs(), t.nb[1], t.nb[2], b.n_seq_tokens() * k_float);
  b.expand(b.cpy(last, b.view_2d(state, n_taps * width, b.n_seqs(), b.at(state).nb[1], 0)));
  return joined;
}

}  // namespace

Ref mamba1_layer(Builder& b, const RecurrentInput& inputs, Ref cur, std::uint32_t il, bool normed)
{
  const auto& m = b.model();
  const auto& s = *m.ssm;
  const std::uint64_t n_embd = m.n_embd, d_conv = s.d_conv, d_inner = s.d_inner, d_state = s.d_state, dt_rank = s.dt_rank;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens(), n_taps = d_conv - 1;

  const auto conv_state = b.state(CacheKind::conv_state, il, n_taps * d_inner);
  const auto ssm_state = b.state(CacheKind::ssm_state, il, d_state * d_inner);
  const auto conv = b.reshape(b.rs(inputs, conv_state, n_taps * d_inner), n_taps, d_inner, n_seqs);

  const auto xz = b.mul_mat(b.weight("ssm_in", il, {n_embd, 2 * d_inner}), b.reshape(cur, n_embd, n_seq_tokens, n_seqs));
  const auto nb1 = b.at(xz).nb[1], nb2 = b.at(xz).nb[2];
  auto x = b.view_3d(xz, d_inner, n_seq_tokens, n_seqs, nb1, nb2, 0);
  const auto z = b.view_3d(xz, d_inner, n_seq_tokens, n_seqs, nb1, nb2, d_inner * k_float);

  x = b.ssm_conv(shift_in(b, conv_state, conv, x, n_taps, d_inner), b.weight("ssm_conv1d", il, {d_conv, d_inner}));
  x = b.silu(b.add(x, b.bias("ssm_conv1d", il, d_inner)));

  const auto x_db = b.mul_mat(b.weight("ssm_x", il, {d_inner, dt_rank + 2 * d_state}), x);
  const auto db1 = b.at(x_db).nb[1], db2 = b.at(x_db).nb[2];
  const auto part = [&](std::uint64_t offset) {
    return b.view_4d(x_db, {d_state, 1, n_seq_tokens, n_seqs}, d_state * k_float, db1, db2, offset * k_float);
  };
  auto dt = b.view_3d(x_db, dt_rank, n_seq_tokens, n_seqs, db1, db2, 0);
  auto state_in = part(dt_rank), state_out = part(dt_rank + d_state);
  if (normed || s.dt_b_c_norm) {
    const auto norm = [&](Ref r, const char* name, std::uint64_t n) {
      return b.norm(Norm::rms, r, normed ? b.weight(name, il, {n}) : Ref{}, {}, il);
    };
    dt = norm(dt, "ssm_dt_norm", dt_rank);
    state_in = norm(state_in, "ssm_b_norm", d_state);
    state_out = norm(state_out, "ssm_c_norm", d_state);
  } else {
    dt = b.cont(dt);
  }
  dt = b.linear(dt, "ssm_dt", il, dt_rank, d_inner, true);

  const auto skip = x;
  x = b.reshape(x, 1, d_inner, n_seq_tokens, n_seqs);
  const auto a = b.bare("ssm_a", il, {d_state, d_inner});
  const auto y_ssm = b.rs(inputs, ssm_state, d_state * d_inner, [&](Ref states, Ref ids) {
    return b.ssm_scan(b.reshape(states, d_state, 1, d_inner, n_seqs), x, dt, a, state_in, state_out, ids);
  });
  const auto n_y = d_inner * n_seq_tokens * n_seqs, n_state = d_state * d_inner * n_seqs;
  b.expand(b.cpy(b.view_1d(y_ssm, n_state, n_y * k_float), b.view_1d(ssm_state, n_state, 0)));

  auto y = b.view_3d(y_ssm, d_inner, n_seq_tokens, n_seqs, d_inner * k_float, d_inner * n_seq_tokens * k_float, 0);
  y = b.add(y, b.mul(skip, b.bare("ssm_d", il, {d_inner})));
  y = b.glu_split(b.cont(z), y);
  cur = b.mul_mat(b.weight("ssm_out", il, {d_inner, n_embd}), y);
  return b.reshape(cur, n_embd, n_seq_tokens * n_seqs);
}

Ref mamba2_layer(Builder& b, const RecurrentInput& inputs, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  const auto& s = *m.ssm;
  const std::uint64_t n_embd = m.n_embd, d_conv = s.d_conv, d_inner = s.d_inner, d_state = s.d_state, n_head = s.dt_rank;
  const std::uint64_t n_group = s.n_group, head = d_inner / n_head, width = d_inner + 2 * n_group * d_state;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens(), n_taps = d_conv - 1;

  const auto conv_state = b.state(CacheKind::conv_state, il, n_taps * width);
  const auto ssm_state = b.state(CacheKind::ssm_state, il, d_state * d_inner);
  const auto conv = b.reshape(b.rs(inputs, conv_state, n_taps * width), n_taps, width, n_seqs);

  const auto n_proj = d_inner + width + n_head;
  const auto proj = b.reshape(b.mul_mat(b.weight("ssm_in", il, {n_embd, n_proj}), cur), n_proj, n_seq_tokens, n_seqs);
  const auto nb1 = b.at(proj).nb[1], nb2 = b.at(proj).nb[2];
  const auto z = b.view_4d(proj, {head, n_head, n_seq_tokens, n_seqs}, head * k_float, nb1, nb2, 0);
  auto xbc = b.view_3d(proj, width, n_seq_tokens, n_seqs, nb1, nb2, d_inner * k_float);
  auto dt = b.view_3d(proj, n_head, n_seq_tokens, n_seqs, nb1, nb2, (d_inner + width) * k_float);

  xbc = b.ssm_conv(shift_in(b, conv_state, conv, xbc, n_taps, width), b.weight("ssm_conv1d", il, {d_conv, width}));
  const auto conv_bias = b.bias_if(s.conv_bias, "ssm_conv1d", il, width);
  if (conv_bias) xbc = b.add(xbc, conv_bias);
  xbc = b.silu(xbc);

  const auto c1 = b.at(xbc).nb[1], c2 = b.at(xbc).nb[2];
  const auto x = b.view_4d(xbc, {head, n_head, n_seq_tokens, n_seqs}, head * k_float, c1, c2, 0);
  const auto state_in = b.view_4d(xbc, {d_state, n_group, n_seq_tokens, n_seqs}, d_state * k_float, c1, c2, d_inner * k_float);
  const auto state_out = b.view_4d(xbc, {d_state, n_group, n_seq_tokens, n_seqs}, d_state * k_float, c1, c2,
                                   (d_inner + n_group * d_state) * k_float);
  dt = b.add(b.cont(dt), b.bias("ssm_dt", il, n_head));
  const auto a = b.bare("ssm_a", il, {1, n_head});
  const auto y_ssm = b.rs(inputs, ssm_state, d_state * d_inner, [&](Ref states, Ref ids) {
    return b.ssm_scan(b.reshape(states, d_state, head, n_head, n_seqs), x, dt, a, state_in, state_out, ids);
  });
  const auto n_state = d_state * d_inner, row = n_state * k_float;
  const auto n_y = d_inner * n_seq_tokens * n_seqs;
  b.expand(b.cpy(b.view_3d(y_ssm, n_state, n_seqs, 1, row, row * n_seqs, n_y * k_float),
                 b.view_3d(ssm_state, n_state, n_seqs, 1, row, row * n_seqs, 0)));

  auto y = b.view_4d(y_ssm, {head, n_head, n_seq_tokens, n_seqs}, head * k_float, d_inner * k_float,
                     n_seq_tokens * d_inner * k_float, 0);
  y = b.add(y, b.mul(x, b.bare("ssm_d", il, {1, n_head})));
  y = b.glu_split(b.cont(z), y);
  const auto groups = n_group ? n_group : 1;
  if (const auto w = b.weight_if(s.norm, "ssm_norm", il, {d_inner / groups, groups})) {
    y = b.norm(Norm::rms, b.reshape(y, d_inner / groups, groups, n_seq_tokens, n_seqs), w, {}, il);
  }
  y = b.reshape(y, d_inner, n_seq_tokens * n_seqs);
  return b.mul_mat(b.weight("ssm_out", il, {d_inner, n_embd}), y);
}

/// models/mamba.cpp, models/mamba2.cpp
void build_mamba(Builder& b)
{
  const auto& m = b.model();
  const auto mamba2 = m.ssm && m.ssm->kind == SsmKind::mamba2;
  auto inp = b.inp_embd();
  const auto states = b.rs_inp();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto cur = b.norm(inp, "attn_norm", il);
    cur = mamba2 ? mamba2_layer(b, states, cur, il) : mamba1_layer(b, states, cur, il, false);
    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      inp = b.get_rows(inp, out_ids);
    }
    inp = b.add(cur, inp);
  }
  b.finish_lm(inp);
}

}  // namespace canirun
