#include "media/families.hpp"

/// \file
/// Mochi (diffusers: models/transformers/transformer_mochi.py): image and text attend together, in streams of different widths.

namespace canirun {

namespace {

constexpr std::uint64_t k_time_features = 256;
constexpr std::uint64_t k_text_width = 1536;  // pooled_projection_dim

class Mochi {
 public:
  Mochi(Net& net, const DenoiserSpec& shape) : n_(net), d_(shape) {}

  void build(std::uint64_t n_tokens, std::uint64_t n_patch)
  {
    image_ = n_.linear(n_.input(TensorType::f32, n_patch, n_tokens), width());
    const auto prompt = n_.input(TensorType::f32, d_.n_embd_text, d_.n_text);
    text_ = n_.linear(prompt, k_text_width);
    time_ = n_.silu(n_.add(embedded_time(), pooled(prompt)));
    n_.declare(WeightKind::vector, head() / 2, 3 * std::uint64_t{d_.n_head});  // pos_frequencies
    const auto pe = n_.positions(head(), n_tokens + d_.n_text);
    n_.repeat_block(d_.n_layer - 1, [&] { block(pe, false); });
    n_.repeat_block(1, [&] { block(pe, true); });
    const auto scales = n_.linear(time_, 2 * width());
    image_ = scaled(n_.layer_norm(image_, false), n_.chunk(scales, 2, 0));
    n_.expand(n_.linear(n_.add(image_, n_.chunk(scales, 2, 1)), n_patch));
  }

 private:
  struct Heads {
    Ref q, k, v;
  };

  std::uint64_t width() const { return d_.n_embd; }
  std::uint64_t head() const { return d_.n_embd / d_.n_head; }
  std::uint64_t tokens(Ref x) const { return n_.at(x).ne[1]; }
  Ref normed(Ref x) { return static_cast<GraphOps&>(n_).rms_norm(x); }
  Ref scaled(Ref x, Ref scale) { return n_.add(x, n_.mul(x, scale)); }

  Ref embedded_time() { return n_.linear(n_.silu_(n_.linear(n_.input(TensorType::f32, k_time_features), width())), width()); }

  /// MochiAttentionPool: one query over the prompt.
  Ref pooled(Ref prompt)
  {
    const auto query = n_.linear(n_.input(TensorType::f32, d_.n_embd_text), d_.n_embd_text);
    n_.linear(prompt, std::uint64_t{2} * d_.n_embd_text);
    return n_.linear(query, width());
  }

  Heads project(Ref x)
  {
    const auto heads = [&](Ref y) { return n_.reshape(y, head(), d_.n_head, tokens(x)); };
    const auto q = n_.rms_norm(heads(n_.linear(x, width(), false))), k = n_.rms_norm(heads(n_.linear(x, width(), false)));
    return {q, k, heads(n_.linear(x, width(), false))};
  }

  Ref feed_forward(Ref x, std::uint64_t n_ff)
  {
    const auto both = n_.linear(x, 2 * n_ff, false);
    return n_.linear(n_.mul(n_.chunk(both, 2, 0), n_.silu(n_.cont(n_.chunk(both, 2, 1)))), n_.at(x).ne[0], false);
  }

  /// x + norm(y) · tanh(gate)
  Ref joined(Ref x, Ref y, Ref gate) { return n_.add(x, n_.mul(normed(y), n_.tanh(gate))); }

  void block(Ref pe, bool text_ends)
  {
    const std::uint64_t n_text_parts = text_ends ? 1 : 4;
    const auto image_all = n_.linear(time_, 4 * width(), true, WeightKind::scales);
    const auto text_all = n_.linear(time_, n_text_parts * k_text_width, true, WeightKind::scales);
    const auto image_part = [&](std::uint64_t i) { return n_.chunk(image_all, 4, i); };
    const auto text_part = [&](std::uint64_t i) { return n_.chunk(text_all, n_text_parts, i); };
    const auto i = project(scaled(normed(image_), image_part(0))), t = project(scaled(normed(text_), text_part(0)));
    const auto y = n_.rope_attention(n_.concat(i.q, t.q, 2), n_.concat(i.k, t.k, 2), n_.concat(i.v, t.v, 2), pe);
    const auto row = n_.at(y).nb[1];
    const auto image_out = n_.view_2d(y, width(), tokens(image_), row, 0);
    image_ = joined(image_, n_.linear(image_out, width()), image_part(1));
    image_ = joined(image_, feed_forward(scaled(normed(image_), image_part(2)), d_.n_ff), image_part(3));
    if (text_ends) return;
    const auto text_out = n_.view_2d(y, width(), tokens(text_), row, tokens(image_) * row);
    text_ = joined(text_, n_.linear(text_out, k_text_width), text_part(1));
    text_ = joined(text_, feed_forward(scaled(normed(text_), text_part(2)), d_.n_ff / 2), text_part(3));
  }

  Net& n_;
  const DenoiserSpec& d_;
  Ref image_, text_, time_;
};

}  // namespace

void build_mochi(Net& net, const DenoiserSpec& shape, std::uint64_t n_tokens, std::uint64_t n_patch)
{
  Mochi(net, shape).build(n_tokens, n_patch);
}

}  // namespace canirun
