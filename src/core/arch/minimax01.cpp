#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace canirun {
namespace {

struct Lightning {
  RecurrentInput rs;
  Ref slopes, q_decay, k_decay, diag_decay;
};

/// Linear attention with a fixed decay a head; the state is one [head, head] matrix a head.
Ref lightning_attention(Builder& b, const Lightning& in, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd, head = m.head_dim_k, n_head = m.n_head(il), wide = head * n_head,
                      width = head * head * n_head;
  const auto n_seqs = b.n_seqs(), n = b.n_seq_tokens();
  const auto w_norm = b.weight("attn_norm_2", il, {wide});
  const auto wqkv = b.weight("attn_qkv", il, {n_embd, 3 * wide}), wg = b.weight("attn_gate", il, {n_embd, wide});
  const auto wo = b.weight("attn_output", il, {wide, n_embd});

  b.expand(b.rs(in.rs, b.state(CacheKind::conv_state, il, 0), 0));
  const auto slope = b.scale(in.slopes);
  cur = b.reshape(cur, n_embd, n, 1, n_seqs);
  const auto qkv = b.reshape(b.silu(b.mul_mat(wqkv, cur)), 3 * head, n_head, n, n_seqs);
  const auto nb = b.at(qkv).nb;
  const auto part = [&](std::uint64_t i) { return b.view_4d(qkv, {head, n_head, n, n_seqs}, nb[1], nb[2], nb[3], i * head * 4); };
  const auto q = part(0), k = part(1), v = part(2);
  const auto all = b.state(CacheKind::ssm_state, il, width);
  const auto kv_old = b.reshape(b.rs(in.rs, all, width), head, head, n_head, n_seqs);

  const auto q_decay = b.exp(b.scale(in.q_decay)), k_decay = b.exp(b.scale(in.k_decay)), diag = b.exp(b.scale(in.diag_decay));
  const auto earlier = b.mul_mat(kv_old, b.permute(b.mul(q, q_decay), 0, 2, 1, 3));
  const auto qk = b.mul(b.mul_mat(b.permute(k, 0, 2, 1, 3), b.permute(q, 0, 2, 1, 3)), diag);
  const auto v_t = b.cont(b.permute(v, 1, 2, 0, 3));
  auto out = b.add(earlier, b.mul_mat(v_t, qk));
  b.expand(out);
  const auto block_decay = b.reshape(b.exp(b.scale(slope)), 1, 1, n_head);
  const auto kept = b.mul(kv_old, block_decay);
  const auto added = b.mul_mat(b.cont(b.permute(b.mul(k, k_decay), 1, 2, 0, 3)), v_t);
  b.expand(b.cpy(b.add(kept, added), b.view_1d(all, width * n_seqs, 0)));
  out = b.reshape(b.cont(b.permute(out, 0, 2, 1, 3)), wide, n, 1, n_seqs);
  out = b.norm(Norm::rms, out, w_norm, {}, il);
  out = b.mul(b.sigmoid(b.mul_mat(wg, cur)), out);
  return b.reshape(b.mul_mat(wo, out), n_embd, n * n_seqs);
}

}  // namespace

/// minimax-01.cpp: the residual stream is the normed input of each half layer.
void build_minimax_01(Builder& b)
{
  const auto& m = b.model();
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_kv();
  const auto n_seqs = b.n_seqs(), n = b.n_seq_tokens();
  const std::uint64_t n_head = m.n_head(0);
  const Lightning in{.rs = b.rs_inp(),
                     .slopes = b.input(TensorType::f32, n_head),
                     .q_decay = b.input(TensorType::f32, 1, n_head, n, n_seqs),
                     .k_decay = b.input(TensorType::f32, 1, n_head, n, n_seqs),
                     .diag_decay = b.input(TensorType::f32, n, n, n_head, n_seqs)};
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = b.norm(x, "attn_norm", il);
    auto a = m.is_recurrent(il) ? lightning_attention(b, in, residual, il) : self_attention(b, residual, attn, pos, {}, il);
    if (il == m.n_layer - 1) {
      a = b.get_rows(a, out_ids);
      residual = b.get_rows(residual, out_ids);
    }
    residual = b.norm(b.add(a, b.scale(residual)), "ffn_norm", il);
    const auto experts = feed_forward(b, residual, {}, il);
    x = b.add(experts, b.scale(residual));
  }
  b.finish_lm(x);
}

}  // namespace canirun
