#include "media/families.hpp"

/// \file
/// HiDream I1 (diffusers: models/transformers/transformer_hidream_image.py). Blocks with two streams, then with one; each block sees
/// the text of T5 and of the language model's last layer, and beside them the language model's layer of its own number.

namespace canirun {

namespace {

constexpr std::uint64_t k_time_features = 256;  // t_embedder
constexpr std::uint64_t k_pooled = 768 + 1280;  // p_embedder: CLIP-L and bigG side by side

class HiDream {
 public:
  HiDream(Net& net, const DenoiserSpec& shape) : n_(net), d_(shape) {}

  void build(std::uint64_t n_tokens, std::uint64_t n_patch)
  {
    image_ = n_.linear(n_.input(TensorType::f32, n_patch, n_tokens), width());
    time_ = n_.silu(n_.add(embedder(k_time_features), embedder(k_pooled)));
    captions();
    const auto pe = n_.positions(head(), n_tokens + 3 * std::uint64_t{d_.n_text});
    n_.repeat_block(d_.n_layer, [&] { double_block(pe); });
    image_ = n_.concat(image_, text_, 1);
    n_.repeat_block(d_.n_layer_single, [&] { single_block(pe); });
    n_.hold(captions_);
    const auto scales = n_.linear(time_, 2 * width());
    image_ = modulated(n_.cont(rows(image_, n_tokens)), n_.chunk(scales, 2, 0), n_.chunk(scales, 2, 1));
    n_.expand(n_.linear(image_, n_patch));
  }

 private:
  struct Heads {
    Ref q, k, v;
  };

  std::uint64_t width() const { return d_.n_embd; }
  std::uint64_t head() const { return d_.n_embd / d_.n_head; }
  std::uint64_t tokens(Ref x) const { return n_.at(x).ne[1]; }
  /// The first `n` tokens, or `n` from `first` on.
  Ref rows(Ref x, std::uint64_t n, std::uint64_t first = 0)
  {
    const auto stride = n_.at(x).nb[1];
    return n_.view_2d(x, width(), n, stride, first * stride);
  }

  Ref embedder(std::uint64_t n_in) { return n_.linear(n_.silu_(n_.linear(n_.input(TensorType::f32, n_in), width())), width()); }

  /// The forward pass projects the text of every block before the first one: a matrix for each block and one for T5.
  void captions()
  {
    const std::uint64_t n_blocks = d_.n_layer + d_.n_layer_single, n_text = d_.n_text;
    const auto project = [&](std::uint64_t n) { return n_.linear(n_.input(TensorType::f32, d_.n_embd_text, n), width(), false); };
    captions_ = project(n_text * n_blocks);
    n_.declare(WeightKind::matrix, d_.n_embd_text, (n_blocks - 1) * width());
    text_ = n_.concat(project(n_text), rows(captions_, n_text, n_text * (n_blocks - 1)), 1);
  }
  Ref with_caption(Ref x) { return n_.concat(x, rows(captions_, d_.n_text), 1); }

  Ref modulated(Ref x, Ref shift, Ref scale)
  {
    x = n_.layer_norm(x, false);
    x = n_.add(x, n_.mul(x, scale));
    return n_.add(x, shift);
  }

  Heads project(Ref x)
  {
    const auto n = tokens(x);
    const auto heads = [&](Ref y) { return n_.reshape(y, head(), d_.n_head, n); };
    const auto q = n_.rms_norm(n_.linear(x, width())), k = n_.rms_norm(n_.linear(x, width()));
    return {heads(q), heads(k), heads(n_.linear(x, width()))};
  }

  Ref swiglu(Ref x, std::uint64_t n_ff)
  {
    const auto gate = n_.linear(x, n_ff, false), up = n_.linear(x, n_ff, false);
    return n_.linear(n_.glu_split(gate, up), width(), false);
  }

  /// moe_infer: each expert takes its tokens out, and adds what it makes of them to one result. Routing is taken as even.
  Ref experts(Ref x)
  {
    const auto share = tokens(x) * d_.n_expert_used / d_.n_expert;
    n_.in_place(Op::soft_max, n_.linear(x, d_.n_expert, false, WeightKind::vector));
    auto sum = n_.custom(Op::repeat, TensorType::f32, n_.at(x).ne, {});
    n_.repeat_block(d_.n_expert, [&] { sum = n_.in_place(Op::add, sum, swiglu(n_.cont(rows(x, share)), d_.n_ff)); });
    return n_.add(sum, swiglu(x, d_.n_ff_shared));
  }

  void double_block(Ref pe)
  {
    auto text = with_caption(text_);
    const auto all = n_.linear(time_, 12 * width());
    const auto part = [&](std::uint64_t i) { return n_.chunk(all, 12, i); };
    const auto i = project(modulated(image_, part(0), part(1))), t = project(modulated(text, part(6), part(7)));
    const auto y = n_.rope_attention(n_.concat(i.q, t.q, 2), n_.concat(i.k, t.k, 2), n_.concat(i.v, t.v, 2), pe);
    const auto n_image = tokens(image_);
    image_ = n_.add(image_, n_.mul(n_.linear(rows(y, n_image), width()), part(2)));
    text = n_.add(text, n_.mul(n_.linear(rows(y, tokens(text), n_image), width()), part(8)));
    image_ = n_.add(image_, n_.mul(experts(modulated(image_, part(3), part(4))), part(5)));
    text = n_.add(text, n_.mul(swiglu(modulated(text, part(9), part(10)), d_.n_ff), part(11)));
    text_ = rows(text, tokens(text_));
  }

  void single_block(Ref pe)
  {
    const auto n_kept = tokens(image_);
    auto x = with_caption(image_);
    const auto all = n_.linear(time_, 6 * width());
    const auto part = [&](std::uint64_t i) { return n_.chunk(all, 6, i); };
    const auto h = project(modulated(x, part(0), part(1)));
    x = n_.add(x, n_.mul(n_.linear(n_.rope_attention(h.q, h.k, h.v, pe), width()), part(2)));
    x = n_.add(x, n_.mul(experts(modulated(x, part(3), part(4))), part(5)));
    image_ = rows(x, n_kept);
  }

  Net& n_;
  const DenoiserSpec& d_;
  Ref image_, text_, time_, captions_;
};

}  // namespace

void build_hidream(Net& net, const DenoiserSpec& shape, std::uint64_t n_tokens, std::uint64_t n_patch)
{
  HiDream(net, shape).build(n_tokens, n_patch);
}

}  // namespace canirun
