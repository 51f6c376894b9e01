#include "arch/families.hpp"
#include "arch/rwkv.hpp"

namespace canirun {
namespace {

struct Mixed {
  Ref w, k, v, r, g;
};

/// The five inputs of the time mixing: interpolations between a token and the one before, by low-rank projections.
Mixed interpolate(Builder& b, Ref cur, Ref prev, std::uint32_t il)
{
  const std::uint64_t n_embd = b.model().n_embd, extra = b.model().ssm->time_mix_extra, n_tokens = b.n_tokens();
  const auto w1 = b.weight("time_mix_w1", il, {n_embd, 5 * extra}), w2 = b.weight("time_mix_w2", il, {extra, n_embd, 5});
  const auto lerp_x = b.weight("time_mix_lerp_x", il, {n_embd, 1, 1});
  const auto fused = b.weight_if(true, "time_mix_lerp_fused", il, {n_embd, 1, 1, 5});

  auto sx = b.reshape(b.sub(prev, cur), n_embd, n_tokens);
  cur = b.reshape(cur, n_embd, n_tokens);
  auto x = b.tanh(b.mul_mat(w1, b.add(b.mul(sx, lerp_x), cur)));
  x = b.cont(b.permute(b.reshape(x, extra, 1, 5, n_tokens), 0, 1, 3, 2));
  x = b.mul_mat(b.reshape(w2, extra, n_embd, 1, 5), x);
  const auto part = [&](std::uint64_t i) { return b.view_2d(x, n_embd, n_tokens, b.at(x).nb[1], n_embd * n_tokens * i * 4); };
  if (fused) {
    sx = b.reshape(sx, n_embd, 1, n_tokens);
    x = b.add(b.mul(b.add(x, fused), sx), b.reshape(cur, n_embd, 1, n_tokens));
    return {.w = part(0), .k = part(1), .v = part(2), .r = part(3), .g = part(4)};
  }
  // Files of 2024 have a tensor for each.
  const auto each = [&](std::uint64_t i, std::string_view name) {
    return b.add(b.mul(b.add(part(i), b.weight(name, il, {n_embd, 1, 1})), sx), cur);
  };
  Mixed m;
  m.w = each(0, "time_mix_lerp_w");
  m.k = each(1, "time_mix_lerp_k");
  m.v = each(2, "time_mix_lerp_v");
  m.r = each(3, "time_mix_lerp_r");
  m.g = each(4, "time_mix_lerp_g");
  return m;
}

Ref time_mix(Builder& b, const RecurrentInput& rs, Ref cur, Ref prev, std::uint32_t il)
{
  const auto& s = *b.model().ssm;
  const std::uint64_t n_embd = b.model().n_embd, head = s.head_dim, n_head = n_embd / head, rank = s.time_decay_extra;
  const auto n_tokens = b.n_tokens(), n_seqs = b.n_seqs();
  const auto matrix = [&](std::string_view name) { return b.weight(name, il, {n_embd, n_embd}); };
  const auto heads = [&](Ref r) { return b.reshape(r, head, n_head, n_tokens); };
  const auto x = interpolate(b, cur, prev, il);
  const auto first = b.weight("time_mix_first", il, {head, n_head}), decay = b.weight("time_mix_decay", il, {n_embd});
  const auto decay_w1 = b.weight("time_mix_decay_w1", il, {n_embd, rank}),
             decay_w2 = b.weight("time_mix_decay_w2", il, {rank, n_embd});
  const auto wk = matrix("time_mix_key"), wv = matrix("time_mix_value"), wr = matrix("time_mix_receptance");
  const auto wg = matrix("time_mix_gate"), wo = matrix("time_mix_output");
  const auto ln = b.weight("time_mix_ln", il, {n_embd});
  const auto ln_b = b.bias("time_mix_ln", il, n_embd);

  const auto r = heads(b.mul_mat(wr, x.r)), k = heads(b.mul_mat(wk, x.k)), v = heads(b.mul_mat(wv, x.v));
  const auto g = b.silu(b.mul_mat(wg, x.g));
  auto w = b.add(b.mul_mat(decay_w2, b.tanh(b.mul_mat(decay_w1, x.w))), decay);
  w = heads(b.exp(b.neg(b.exp(w))));
  const auto width = n_embd * head;
  const auto all = b.state(CacheKind::ssm_state, il, width);
  const auto out = b.rwkv_wkv6(k, v, r, first, w, b.rs(rs, all, width));
  cur = b.view_1d(out, n_embd * n_tokens, 0);
  b.expand(b.cpy(b.view_1d(out, width * n_seqs, n_embd * n_tokens * 4), b.view_1d(all, width * n_seqs, 0)));
  cur = b.reshape(b.norm(heads(cur)), n_embd, n_tokens);
  cur = b.mul(b.add(b.mul(cur, ln), ln_b), g);
  return b.reshape(b.mul_mat(wo, cur), n_embd, b.n_seq_tokens(), n_seqs);
}

Ref channel_mix(Builder& b, Ref cur, Ref prev, std::uint32_t il)
{
  const std::uint64_t n_embd = b.model().n_embd, n_ff = b.model().n_ff(il);
  const auto lerp_k = b.weight("channel_mix_lerp_k", il, {n_embd, 1, 1}),
             lerp_r = b.weight("channel_mix_lerp_r", il, {n_embd, 1, 1});
  const auto wk = b.weight("channel_mix_key", il, {n_embd, n_ff}), wv = b.weight("channel_mix_value", il, {n_ff, n_embd});
  const auto wr = b.weight("channel_mix_receptance", il, {n_embd, n_embd});
  const auto sx = b.sub(prev, cur);
  const auto xk = b.add(b.mul(sx, lerp_k), cur), xr = b.add(b.mul(sx, lerp_r), cur);
  const auto r = b.sigmoid(b.mul_mat(wr, xr));
  return b.mul(r, b.mul_mat(wv, b.sqr(b.relu(b.mul_mat(wk, xk)))));
}

/// The time mixing of Qwen models that were distilled into RWKV: few key heads, gated linear attention, no norm of its own.
Ref qwen_time_mix(Builder& b, const RecurrentInput& rs, Ref cur, Ref prev, std::uint32_t il)
{
  const auto& m = b.model();
  const auto& s = *m.ssm;
  const std::uint64_t n_embd = m.n_embd, head = s.head_dim, n_head = n_embd / head, rank = s.time_decay_extra;
  const std::uint64_t n_kv = m.n_head_kv(il) > 0 ? m.n_head_kv(il) : n_head;
  const auto n_tokens = b.n_tokens(), n_seqs = b.n_seqs();
  const auto heads = [&](Ref r) { return b.reshape(r, head, n_head, n_tokens); };
  const auto x = interpolate(b, cur, prev, il);
  const auto decay = b.weight("time_mix_decay", il, {n_embd});
  const auto decay_w1 = b.weight("time_mix_decay_w1", il, {n_embd, rank}),
             decay_w2 = b.weight("time_mix_decay_w2", il, {rank, n_embd});
  auto k = b.linear(x.k, "time_mix_key", il, n_embd, n_kv * head, m.attn.bias_qkv);
  auto v = b.linear(x.v, "time_mix_value", il, n_embd, n_kv * head, m.attn.bias_qkv);
  const auto r = heads(b.linear(x.r, "time_mix_receptance", il, n_embd, n_embd, m.attn.bias_qkv));
  const auto g = b.sigmoid(b.linear(x.g, "time_mix_gate", il, n_embd, n_embd));
  const auto wo = b.weight("time_mix_output", il, {n_embd, n_embd});

  if (n_kv != n_head) {
    const auto spread = [&](Ref t) {
      return b.repeat(b.reshape(t, head, 1, n_kv, n_tokens), head, n_head / n_kv, n_kv, n_tokens);
    };
    k = spread(k);
    v = spread(v);
  }
  k = heads(k);
  v = heads(v);
  auto w = b.add(b.mul_mat(decay_w2, b.tanh(b.mul_mat(decay_w1, x.w))), decay);
  w = heads(b.exp(b.neg(b.exp(w))));
  k = b.sub(k, b.mul(k, w));
  const auto width = n_embd * head;
  const auto all = b.state(CacheKind::ssm_state, il, width);
  const auto out = b.gated_linear_attn(k, v, r, w, b.rs(rs, all, width));
  cur = b.view_1d(out, n_embd * n_tokens, 0);
  b.expand(b.cpy(b.view_1d(out, width * n_seqs, n_embd * n_tokens * 4), b.view_1d(all, width * n_seqs, 0)));
  cur = b.mul(b.reshape(cur, n_embd, n_tokens), g);
  return b.reshape(b.mul_mat(wo, cur), n_embd, b.n_seq_tokens(), n_seqs);
}

}  // namespace

/// rwkv6qwen2.cpp
void build_rwkv6qwen2(Builder& b)
{
  rwkv_qwen_model(
      b, [&](const RecurrentInput& rs, Ref cur, Ref prev, std::uint32_t il) { return qwen_time_mix(b, rs, cur, prev, il); });
}

/// rwkv6.cpp, rwkv6-base.cpp
void build_rwkv6(Builder& b)
{
  rwkv_model(
      b, [&](const RecurrentInput& rs, Ref cur, Ref prev, std::uint32_t il) { return time_mix(b, rs, cur, prev, il); },
      [&](Ref cur, Ref prev, std::uint32_t il) { return channel_mix(b, cur, prev, il); });
}

}  // namespace canirun
