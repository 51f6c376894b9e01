#include "arch/rwkv.hpp"

#include "arch/transformer.hpp"

namespace canirun {
namespace {

Ref layer_norm(Builder& b, Ref cur, std::string_view name, std::uint32_t il)
{
  const auto n_embd = b.model().n_embd;
  const auto w = b.weight(name, il, {n_embd});
  return b.norm(Norm::layer, cur, w, b.bias(name, il, n_embd), il == k_global ? 0 : il);
}

/// x shifted by one token: the state's last token before all but the last of the batch. [n_embd, n_seq_tokens, n_seqs]
Ref shifted(Builder& b, Ref last, Ref x)
{
  const auto nb = b.at(x).nb;
  return b.concat(last, b.view_3d(x, b.model().n_embd, b.n_seq_tokens() - 1, b.n_seqs(), nb[1], nb[2], 0), 1);
}

}  // namespace

void rwkv_model(Builder& b, const TimeMix& time_mix, const ChannelMix& channel_mix)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens(), n_tokens = b.n_tokens();
  auto x = layer_norm(b, b.inp_embd(), "token_embd_norm", k_global);
  const auto rs = b.rs_inp();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    x = b.reshape(x, n_embd, n_seq_tokens, n_seqs);
    const auto all = b.state(CacheKind::conv_state, il, 2 * n_embd);
    const auto shift = b.reshape(b.rs(rs, all, 2 * n_embd), n_embd, 2, n_seqs);
    const auto ns = b.at(shift).nb;
    const auto last = [&](std::uint64_t i) { return b.view_3d(shift, n_embd, 1, n_seqs, ns[1], ns[2], i * n_embd * 4); };

    const auto att = layer_norm(b, x, "attn_norm", il);
    auto cur = time_mix(rs, att, shifted(b, last(0), att), il);
    auto y = b.add(cur, x);
    auto ffn = layer_norm(b, y, "attn_norm_2", il);
    auto prev = shifted(b, last(1), ffn);
    const auto tail = [&](Ref r) {
      const auto nb = b.at(r).nb;
      return b.view_3d(r, n_embd, 1, n_seqs, nb[1], nb[2], (n_seq_tokens - 1) * n_embd * 4);
    };
    const auto next = b.concat(tail(att), tail(ffn), 1);
    b.expand(b.cpy(b.view_1d(next, 2 * n_embd * n_seqs, 0), b.view_1d(all, 2 * n_embd * n_seqs, 0)));

    y = b.reshape(y, n_embd, n_tokens);
    ffn = b.reshape(ffn, n_embd, n_tokens);
    prev = b.reshape(prev, n_embd, n_tokens);
    if (il == m.n_layer - 1) {
      y = b.get_rows(y, out_ids);
      ffn = b.get_rows(ffn, out_ids);
      prev = b.get_rows(prev, out_ids);
    }
    x = b.add(channel_mix(ffn, prev, il), y);
  }
  logits_output(b, x, {.norm = Norm::layer, .norm_bias = true});
}

void rwkv_qwen_model(Builder& b, const TimeMix& time_mix)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd;
  const auto n_seqs = b.n_seqs(), n_seq_tokens = b.n_seq_tokens(), n_tokens = b.n_tokens();
  auto x = b.inp_embd();
  const auto rs = b.rs_inp();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    x = b.reshape(x, n_embd, n_seq_tokens, n_seqs);
    const auto all = b.state(CacheKind::conv_state, il, n_embd);
    const auto last = b.reshape(b.rs(rs, all, n_embd), n_embd, 1, n_seqs);
    const auto att = b.norm(x, "attn_norm", il);
    const auto cur = time_mix(rs, att, shifted(b, last, att), il);
    const auto nb = b.at(att).nb;
    const auto tail = b.view_3d(att, n_embd, 1, n_seqs, nb[1], nb[2], (n_seq_tokens - 1) * n_embd * 4);
    b.expand(b.cpy(b.view_1d(tail, n_embd * n_seqs, 0), b.view_1d(all, n_embd * n_seqs, 0)));

    auto y = b.reshape(b.add(cur, x), n_embd, n_tokens);
    if (il == m.n_layer - 1) y = b.get_rows(y, out_ids);
    x = b.add(b.ffn(b.norm(y, "ffn_norm", il), b.ffn_weights(il, m.n_ff(il))), y);
  }
  b.finish_lm(x);
}

}  // namespace canirun
