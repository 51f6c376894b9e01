#include "arch/families.hpp"
#include "arch/per_layer.hpp"

namespace canirun {
namespace {

constexpr std::uint64_t k_altup = 4, k_laurel = 64;  // llama-hparams.h: n_altup, laurel_rank
constexpr std::uint32_t k_sparse_layers = 10;        // models.h: n_layer_sparsity

Ref rms(Builder& b, Ref cur, std::string_view name, std::uint32_t il)
{
  return b.norm(Norm::rms, cur, b.weight(name, il, {b.model().n_embd}), {}, il);
}

Ref magnitude(Builder& b, Ref x) { return b.sqrt(b.sum_rows(b.sqr(x))); }

/// Streams 1 to 3 made of, or merged into, the first one; their magnitude is the first one's.
Ref rescaled(Builder& b, Ref streams, Ref target) { return b.div(b.mul(streams, target), magnitude(b, streams)); }

struct AltUp {
  Ref router, router_norm, predict, correct, correct_scale;
};

AltUp altup_weights(Builder& b, std::uint32_t il)
{
  const std::uint64_t n_embd = b.model().n_embd;
  AltUp w;
  w.correct = b.weight("altup_correct_coef", il, {k_altup, k_altup});
  w.correct_scale = b.weight("altup_correct_scale", il, {n_embd});
  w.predict = b.weight("altup_predict_coef", il, {k_altup, k_altup * k_altup});
  w.router = b.weight("altup_router", il, {n_embd, k_altup});
  w.router_norm = b.weight("altup_router_norm", il, {n_embd});
  return w;
}

Ref modalities(Builder& b, const AltUp& w, Ref x, std::uint32_t il)
{
  return b.tanh(b.mul_mat(w.router, b.scale(b.norm(Norm::rms, x, w.router_norm, {}, il))));
}

/// All four streams of the next layer, [n_embd, n_tokens, 4].
Ref predicted(Builder& b, const AltUp& w, Ref streams, std::uint32_t il)
{
  const auto coefficients =
      b.reshape(b.mul_mat(w.predict, modalities(b, w, slice(b, streams, 0), il)), k_altup, k_altup, b.n_tokens());
  const auto mixed = b.mul_mat(b.cont(b.permute(streams, 1, 2, 0, 3)), coefficients);
  return b.add(b.cont(b.permute(mixed, 0, 2, 1, 3)), streams);
}

Ref corrected(Builder& b, const AltUp& w, Ref predictions, Ref activated, std::uint32_t il)
{
  const auto m = modalities(b, w, activated, il);
  auto innovation = b.sub(activated, slice(b, predictions, 0));
  auto coefficients = b.scale(b.mul_mat(w.correct, m));
  coefficients = b.cont(b.transpose(coefficients), 1, b.n_tokens(), k_altup);
  innovation = b.repeat(innovation, b.model().n_embd, b.n_tokens(), k_altup);
  return b.add(b.mul(innovation, coefficients), predictions);
}

Ref attention_part(Builder& b, const AttentionInput& inputs, Ref pos, Ref cur, std::uint32_t il)
{
  const auto& m = b.model();
  const std::uint64_t head = m.head_k(il), n_head = m.n_head(il), n_head_kv = m.n_head_kv(il), n_tokens = b.n_tokens();
  const auto wq = b.weight("attn_q", il, {m.n_embd, head * n_head});
  const auto wk = b.weight("attn_k", il, {m.n_embd, head * n_head_kv}), wv = b.weight("attn_v", il, {m.n_embd, head * n_head_kv});
  const auto wo = b.weight("attn_output", il, {head * n_head, m.n_embd});
  const auto q_norm = b.weight("attn_q_norm", il, {head}), k_norm = b.weight("attn_k_norm", il, {head});
  auto q = b.norm(Norm::rms, b.reshape(b.mul_mat(wq, cur), head, n_head, n_tokens), q_norm, {}, il);
  q = b.rope(q, pos);
  if (!has_own_cache(m, il)) return b.attention(inputs, {.q = q, .wo = wo, .cache_layer = cache_layer(m, il)}, il);
  auto k = b.norm(Norm::rms, b.reshape(b.mul_mat(wk, cur), head, n_head_kv, n_tokens), k_norm, {}, il);
  const auto v = b.rms_norm(b.reshape(b.mul_mat(wv, cur), head, n_head_kv, n_tokens));
  k = b.rope(k, pos);
  return b.attention(inputs, {.q = q, .k = k, .v = v, .wo = wo}, il);
}

Ref feed_forward_part(Builder& b, Ref cur, std::uint32_t il)
{
  const auto f = b.ffn_weights(il, b.model().n_ff(il));
  const auto up = b.mul_mat(f.up, cur);
  auto gate = b.mul_mat(f.gate, cur);
  if (il < k_sparse_layers) {
    const auto mean = b.mean(gate);
    const auto deviation = b.sqrt(b.scale(b.sum_rows(b.sqr(b.sub(gate, mean)))));
    gate = b.relu(b.sub(gate, b.add(mean, b.scale(deviation))));
  }
  return b.mul_mat(f.down, b.mul(up, b.gelu(gate)));
}

}  // namespace

/// gemma3n.cpp: four residual streams (AltUp), a low-rank residual (LAuReL) and inputs of its own for every layer.
void build_gemma3n(Builder& b)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd, width = m.per_layer_embd->n_embd, n_tokens = b.n_tokens();
  auto x = b.scale(b.inp_embd());
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_auto();
  const auto inputs = per_layer_inputs(b, x);
  const auto out_ids = b.inp_out_ids();
  const auto altup_proj = b.weight("altup_proj", k_global, {n_embd, n_embd, k_altup - 1});
  const auto altup_unembd = b.weight("altup_unembd_proj", k_global, {n_embd, n_embd, k_altup - 1});
  {
    const auto target = magnitude(b, x);
    const auto added = b.mul_mat(altup_proj, b.repeat(x, n_embd, n_tokens, k_altup - 1));
    x = b.concat(x, rescaled(b, added, target), 2);
  }
  const auto rest = [&](Ref r, std::uint64_t rows) {
    return b.view_3d(r, n_embd, rows, k_altup - 1, n_embd * 4, n_embd * rows * 4, n_embd * rows * 4);
  };
  for (const auto il : b.layers()) {
    const auto w = altup_weights(b, il);
    const auto laurel_l = b.weight("laurel_l", il, {n_embd, k_laurel}), laurel_r = b.weight("laurel_r", il, {k_laurel, n_embd});
    const auto predictions = predicted(b, w, x, il);
    const auto active = slice(b, predictions, 0);
    auto cur = rms(b, active, "attn_norm", il);
    const auto laurel = b.add(rms(b, b.mul_mat(laurel_r, b.mul_mat(laurel_l, cur)), "laurel_post_norm", il), cur);
    cur = attention_part(b, attn, pos, cur, il);
    cur = b.add(rms(b, cur, "post_attention_norm", il), active);
    const auto y = b.scale(b.add(cur, laurel));
    cur = feed_forward_part(b, rms(b, y, "ffn_norm", il), il);
    cur = b.add(rms(b, cur, "post_ffw_norm", il), y);
    const auto streams = corrected(b, w, predictions, cur, il);

    const auto gate = b.weight("inp_gate", il, {n_embd, width}), back = b.weight("proj", il, {width, n_embd});
    auto first = b.gelu(b.mul_mat(gate, b.mul(slice(b, streams, 0), w.correct_scale)));
    first = b.mul_mat(back, b.mul(first, slice(b, inputs, il)));
    first = rms(b, first, "post_norm", il);
    x = b.concat(slice(b, streams, 0), b.add(rest(streams, n_tokens), first), 2);
  }
  const auto target = magnitude(b, slice(b, x, 0));
  const auto merged = rescaled(b, b.mul_mat(altup_unembd, rest(x, n_tokens)), target);
  auto cur = slice(b, x, 0);
  for (std::uint64_t i = 0; i + 1 < k_altup; ++i) cur = b.add(cur, slice(b, merged, i));
  cur = b.get_rows(b.scale(cur), out_ids);
  const auto embd = b.norm(cur, "output_norm", k_global);
  const auto logits = b.mul_mat(b.output_weight(), embd);
  b.finish(embd, b.scale(b.tanh(b.scale(logits))));
}

}  // namespace canirun
