#include "arch/families.hpp"
#include "arch/rwkv.hpp"

namespace canirun {
namespace {

/// `normed`: a norm of the heads' results, which hybrids made of Qwen may lack.
Ref time_mix(Builder& b, const RecurrentInput& rs, Ref cur, Ref x_prev, Ref& first_value, bool normed, std::uint32_t il)
{
  const auto& m = b.model();
  const auto& s = *m.ssm;
  const std::uint64_t n_embd = m.n_embd, head = s.head_dim, n_head = n_embd / head;
  const auto n_tokens = b.n_tokens(), n_seqs = b.n_seqs();
  const auto vector = [&](std::string_view name) { return b.weight(name, il, {n_embd}); };
  const auto low_rank = [&](std::string_view down, std::string_view up, std::uint64_t rank) {
    const auto a = b.weight(down, il, {n_embd, rank});
    return std::pair{a, b.weight(up, il, {rank, n_embd})};
  };
  const auto w0 = vector("time_mix_w0"), a0 = vector("time_mix_a0"), v0 = vector("time_mix_v0");
  const auto [w1, w2] = low_rank("time_mix_w1", "time_mix_w2", s.n_lora_decay);
  const auto [a1, a2] = low_rank("time_mix_a1", "time_mix_a2", s.n_lora_iclr);
  // The first layer has no value residual; its tensors are there all the same, as wide as the learning rate's.
  const auto [v1, v2] = low_rank("time_mix_v1", "time_mix_v2", il == 0 ? s.n_lora_iclr : s.n_lora_value);
  const auto g1 = b.weight_if(s.n_lora_gate > 0, "time_mix_g1", il, {n_embd, s.n_lora_gate});
  const auto g2 = b.weight_if(s.n_lora_gate > 0, "time_mix_g2", il, {s.n_lora_gate, n_embd});
  const bool gated = g1 && g2;
  const std::uint64_t n_parts = gated ? 6 : 5;
  const auto lerp = b.weight("time_mix_lerp_fused", il, {n_embd, 1, 1, n_parts});
  const auto k_k = vector("time_mix_k_k"), k_a = vector("time_mix_k_a"), r_k = vector("time_mix_r_k");
  const auto wk = b.weight("time_mix_key", il, {n_embd, n_embd}), wv = b.weight("time_mix_value", il, {n_embd, n_embd});
  const auto wr = b.weight("time_mix_receptance", il, {n_embd, n_embd}), wo = b.weight("time_mix_output", il, {n_embd, n_embd});
  const auto ln = b.weight_if(normed, "time_mix_ln", il, {n_embd});
  const auto ln_b = b.bias_if(normed, "time_mix_ln", il, n_embd);

  auto sx = b.repeat(b.sub(x_prev, cur), n_embd, b.n_seq_tokens(), n_seqs, n_parts);
  const auto mixed = b.add(b.mul(sx, lerp), cur);
  const auto part = [&](std::uint64_t i) {
    return b.view_2d(mixed, n_embd, n_tokens, b.at(mixed).nb[1], n_embd * n_tokens * i * 4);
  };
  const auto heads = [&](Ref r) { return b.reshape(r, head, n_head, n_tokens); };

  const auto r = b.mul_mat(wr, part(0));
  auto w = b.add(b.mul_mat(w2, b.tanh(b.mul_mat(w1, part(1)))), w0);
  w = b.exp(b.scale(b.sigmoid(w)));
  auto k = b.mul_mat(wk, part(2));
  const auto xv = part(3);
  auto v = b.mul_mat(wv, xv);
  if (!first_value) {
    first_value = v;
  } else {
    const auto gate = b.sigmoid(b.add(b.mul_mat(v2, b.mul_mat(v1, xv)), v0));
    v = b.add(v, b.mul(b.sub(first_value, v), gate));
  }
  const auto g = gated ? b.mul_mat(g2, b.sigmoid(b.mul_mat(g1, part(5)))) : Ref{};
  const auto a = b.sigmoid(b.add(b.mul_mat(a2, b.mul_mat(a1, part(4))), a0));
  const auto kk = b.l2_norm(heads(b.mul(k, k_k)));
  const auto ka = b.mul(k, k_a);
  k = b.add(k, b.sub(b.mul(a, ka), ka));

  const auto width = n_embd * head;
  const auto all = b.state(CacheKind::ssm_state, il, width);
  const auto state = b.rs(rs, all, width);
  const auto kh = heads(k), vh = heads(v), rh = heads(r), ah = heads(a);
  const auto out = b.rwkv_wkv7(rh, heads(w), kh, vh, b.neg(kk), b.mul(kk, ah), state);
  cur = b.view_1d(out, n_embd * n_tokens, 0);
  b.expand(b.cpy(b.view_1d(out, width * n_seqs, n_embd * n_tokens * 4), b.view_1d(all, width * n_seqs, 0)));

  if (ln && ln_b) {
    cur = b.reshape(b.norm(b.reshape(cur, head, n_head, n_tokens)), n_embd, n_tokens);
    cur = b.add(b.mul(cur, ln), ln_b);
  } else {
    cur = b.reshape(cur, n_embd, n_tokens);
  }
  const auto rk = b.sum_rows(b.mul(b.mul(kh, rh), b.reshape(r_k, head, n_head)));
  cur = b.add(cur, b.reshape(b.mul(vh, rk), n_embd, n_tokens));
  cur = b.mul_mat(wo, g ? b.mul(cur, g) : cur);
  return b.reshape(cur, n_embd, b.n_seq_tokens(), n_seqs);
}

Ref channel_mix(Builder& b, Ref cur, Ref x_prev, std::uint32_t il)
{
  const std::uint64_t n_embd = b.model().n_embd, n_ff = b.model().n_ff(il);
  const auto lerp = b.weight("channel_mix_lerp_k", il, {n_embd, 1, 1});
  const auto wk = b.weight("channel_mix_key", il, {n_embd, n_ff}), wv = b.weight("channel_mix_value", il, {n_ff, n_embd});
  const auto xk = b.add(b.mul(b.sub(x_prev, cur), lerp), cur);
  return b.mul_mat(wv, b.sqr(b.relu(b.mul_mat(wk, xk))));
}

}  // namespace

/// rwkv7.cpp, rwkv7-base.cpp
void build_rwkv7(Builder& b)
{
  Ref first_value;
  rwkv_model(
      b,
      [&](const RecurrentInput& rs, Ref cur, Ref prev, std::uint32_t il) {
        return time_mix(b, rs, cur, prev, first_value, true, il);
      },
      [&](Ref cur, Ref prev, std::uint32_t il) { return channel_mix(b, cur, prev, il); });
}

/// arwkv7.cpp
void build_arwkv7(Builder& b)
{
  Ref first_value;
  rwkv_qwen_model(b, [&](const RecurrentInput& rs, Ref cur, Ref prev, std::uint32_t il) {
    return time_mix(b, rs, cur, prev, first_value, false, il);
  });
}

}  // namespace canirun
