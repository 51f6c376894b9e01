#include "arch/transformer.hpp"

namespace canirun {
namespace {

bool uses_rope(const Builder& b, Rope rope, std::uint32_t il)
{
  switch (rope) {
    case Rope::none: return false;
    case Rope::sliding: return b.model().is_swa(il);
    case Rope::sliding_or_lead: return b.model().is_swa(il) || (b.model().moe && il < b.model().moe->n_layer_dense_lead);
    case Rope::skip_last_of_4: return (il + 1) % 4 != 0;
    default: return true;
  }
}

/// Everything that one layer passes on.
struct Layer {
  Ref x{};  ///< The residual stream.
  Ref n{};  ///< Its norm: the attention's input.
  Ref a{};  ///< The attention's result.
};

Ref post_norm(Builder& b, Ref cur, std::string_view name, const TransformerOptions& o, std::uint32_t il)
{
  if (!o.post_norm_bare) return stream_norm(b, cur, name, o, il);
  return b.norm(o.norm, cur, b.bare(name, il, {b.model().n_embd}), {}, il);
}

/// The feed-forward part and the sums of a layer.
Ref combine(Builder& b, const Layer& l, const TransformerOptions& o, std::uint32_t il)
{
  const auto ff = [&](Ref cur) { return feed_forward(b, cur, o.ffn, il); };
  switch (o.residual) {
    case Residual::attention_first: return b.add(b.add(l.a, ff(l.n)), l.x);
    case Residual::ffn_first: return b.add(b.add(ff(l.n), l.a), l.x);
    case Residual::input_second: return b.add(b.add(ff(l.n), l.x), l.a);
    case Residual::second_norm: return b.add(b.add(ff(stream_norm(b, l.x, o.ffn_norm, o, il)), l.x), l.a);
    case Residual::normed_input: {
      const auto y = b.add(l.a, l.x);
      return b.add(ff(l.n), y);
    }
    case Residual::sequential: break;
  }
  const auto a = o.scaled_residual ? b.scale(l.a) : l.a;
  const auto y = o.input_first ? b.add(l.x, a) : b.add(a, l.x);
  auto cur = ff(o.pre_norm ? stream_norm(b, y, o.ffn_norm, o, il) : y);
  if (o.post_norm) cur = post_norm(b, cur, "post_ffw_norm", o, il);
  if (o.scaled_residual) cur = b.scale(cur);
  return o.sum_first ? b.add(y, cur) : b.add(cur, y);
}

}  // namespace

Ref stream_norm(Builder& b, Ref cur, std::string_view name, const TransformerOptions& o, std::uint32_t il)
{
  const auto& m = b.model();
  Ref w, bias;
  if (o.norm_weight) {
    w = b.weight(name, il, {m.n_embd});
    if (o.norm == Norm::layer) bias = b.bias_if(o.norm_bias || m.norm_bias, name, il, m.n_embd);
  }
  return b.norm(o.norm, cur, w, bias, il);
}

void logits_output(Builder& b, Ref cur, const TransformerOptions& o, Ref out_ids)
{
  const auto choose_rows = [&] {
    b.set_output(cur);  // t_h_nextn
    cur = b.get_rows(cur, out_ids);
  };
  if (out_ids && o.nextn_before_norm) choose_rows();
  cur = stream_norm(b, cur, "output_norm", o, k_global);
  if (out_ids && !o.nextn_before_norm) choose_rows();
  auto logits = b.mul_mat(o.output_from_input ? b.embedding() : b.output_weight(), cur);
  if (const auto bias = b.bias_if(b.model().lm_head_bias, "output", k_global, b.model().n_vocab)) logits = b.add(logits, bias);
  if (o.scaled_logits) logits = b.scale(logits);
  if (o.capped_logits) logits = b.scale(b.tanh(b.scale(logits)));
  b.finish(cur, logits);
}

void transformer(Builder& b, const TransformerOptions& o)
{
  const auto& m = b.model();
  const auto embd = b.inp_embd(o.scaled_embd);
  auto x = o.embd_scaled_to_unit ? b.rms_norm(embd) : embd;
  const auto pos = o.positions ? b.inp_pos(o.positions) : Ref{};
  auto attn_options = o.attn;
  if (o.temperature) attn_options.temperature = b.inp_attn_scale();
  const auto attn = o.no_cache ? b.attn_inp_no_cache() : b.attn_inp_auto();
  if (o.pos_embd) {
    const auto table =
        b.weight_if(m.n_pos_emb > 0, "position_embd", k_global, {m.n_embd, m.n_pos_emb ? m.n_pos_emb : m.n_ctx_train});
    if (table) x = b.add(x, b.get_rows(table, pos));
  }
  if (o.embd_norm) x = stream_norm(b, x, "token_embd_norm", o, k_global);
  const auto out_ids = b.inp_out_ids();

  for (const auto il : b.layers()) {
    Layer l{.x = x};
    l.n = o.pre_norm ? stream_norm(b, x, "attn_norm", o, il) : x;
    auto attn_input = l.n;
    if (o.attn_norm_2) {
      const auto exists = m.norms_per_layer > 1;
      const auto w = b.weight_if(exists, "attn_norm_2", il, {m.n_embd});
      const auto bias = b.bias_if(exists, "attn_norm_2", il, m.n_embd);
      if (w) attn_input = b.norm(o.norm, x, w, bias, il);
    }
    attn_options.rope = uses_rope(b, o.rope, il);
    l.a = self_attention(b, attn_input, attn, pos, attn_options, il);
    if (o.post_norm && o.post_norm_all_rows) l.a = post_norm(b, l.a, "post_attention_norm", o, il);
    if (il == m.n_layer - 1 && !o.late_outputs) {
      l.a = b.get_rows(l.a, out_ids);
      l.x = b.get_rows(l.x, out_ids);
      l.n = b.get_rows(l.n, out_ids);
    }
    if (o.post_norm && !o.post_norm_all_rows) l.a = post_norm(b, l.a, "post_attention_norm", o, il);
    x = combine(b, l, o, il);
    if (o.deepstack && il < m.n_deepstack_layers) {
      const auto& t = b.at(embd);
      x = b.add(x, b.view_2d(embd, m.n_embd, b.n_tokens(), t.nb[1], (il + 1) * std::uint64_t{m.n_embd} * 4));
    }
  }
  logits_output(b, x, o, o.late_outputs ? out_ids : Ref{});
}

}  // namespace canirun
