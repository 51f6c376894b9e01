#include <algorithm>
#include <array>

#include "media/denoiser.hpp"
#include "media/families.hpp"

/// \file
/// Diffusion transformers, block by block (stable-diffusion.cpp: src/model/diffusion/flux.hpp, mmdit.hpp, qwen_image.hpp, z_image.hpp,
/// wan.hpp; diffusers' models/transformers for families that it has not).

namespace canirun {

namespace {

enum class Modulation { own, shared, distilled };  ///< Where a block's scales and shifts come from.

/// How the blocks of a family differ.
struct Family {
  std::string_view arch;
  enum class Blocks { streams, cross, sequence } blocks = Blocks::streams;
  GraphKnown known = GraphKnown::estimated;
  Modulation modulation = Modulation::own;
  bool fused_qkv = true;
  bool rope = true;
  bool bias = true;
  bool gated = false;          ///< SwiGLU feed-forward parts.
  bool pooled = false;         ///< A pooled text embedding joins the time embedding.
  bool guided = false;         ///< A guidance embedding does.
  std::uint32_t n_time = 0;    ///< Width of a narrow time embedding that modulates; 0 = the model's own.
  std::uint32_t n_scales = 0;  ///< Scales, shifts and gates of a block without streams of its own; 0 = 3 single, 4 in sequence.
  bool text_ends = false;      ///< The last block with two streams has no output for the text.
  std::uint32_t n_positions = 0;  ///< Side of a learned table of positions.
  bool linear = false;            ///< Linear attention: no scores.
  bool mixes_pixels = false;      ///< Gate and values pass a depthwise convolution (diffusers: GLUMBConv).
  bool norm_scales = false;       ///< The scales are made inside a block's norms (diffusers: AdaLayerNorm*).
};

using Blocks = Family::Blocks;

constexpr auto k_families = std::to_array<Family>({
    {.arch = "flux", .known = GraphKnown::replayed, .pooled = true, .guided = true, .norm_scales = true},
    {.arch = "chroma", .known = GraphKnown::replayed, .modulation = Modulation::distilled},
    {.arch = "flux2", .known = GraphKnown::replayed, .modulation = Modulation::shared, .bias = false, .gated = true},
    {.arch = "sd3",
     .known = GraphKnown::replayed,
     .rope = false,
     .pooled = true,
     .text_ends = true,
     .n_positions = 192,
     .norm_scales = true},
    {.arch = "qwen_image", .known = GraphKnown::replayed, .fused_qkv = false},
    {.arch = "hyvid", .pooled = true, .norm_scales = true},
    {.arch = "aura", .rope = false, .bias = false, .gated = true, .n_scales = 6, .norm_scales = true},
    {.arch = "hidream"},  // hidream.cpp
    {.arch = "wan", .blocks = Blocks::cross, .known = GraphKnown::replayed},
    {.arch = "ltxv", .blocks = Blocks::cross},
    {.arch = "pixart", .blocks = Blocks::cross, .rope = false},
    {.arch = "sana", .blocks = Blocks::cross, .rope = false, .linear = true, .mixes_pixels = true},
    {.arch = "lumina2", .blocks = Blocks::sequence, .known = GraphKnown::replayed, .bias = false, .gated = true, .n_time = 256},
    {.arch = "cogvideox", .blocks = Blocks::sequence, .n_time = 512, .n_scales = 12, .norm_scales = true},
    {.arch = "cogview4", .blocks = Blocks::sequence, .n_time = 512, .n_scales = 12, .norm_scales = true},
    {.arch = "mochi"},  // mochi.cpp
});

const Family* find(std::string_view arch)
{
  for (const auto& f : k_families) {
    if (f.arch == arch) return &f;
  }
  return nullptr;
}

constexpr std::uint64_t k_image_tokens = 257;   ///< Of CLIP's view of a first frame.
constexpr std::uint64_t k_time_features = 256;  ///< Sinusoids of the time step.

class Transformer {
 public:
  Transformer(Net& net, const Family& family, const DenoiserSpec& shape, bool sees_image)
      : n_(net), f_(family), d_(shape), sees_image_(sees_image)
  {
  }

  void build(std::uint64_t n_tokens, std::uint64_t n_patch)
  {
    image_ = n_.linear(n_.input(TensorType::f32, n_patch, n_tokens), d_.n_embd, true, WeightKind::kept);
    text_ = n_.linear(n_.input(TensorType::f32, d_.n_embd_text, std::max(1u, d_.n_text)), d_.n_embd, true, WeightKind::kept);
    time_ = embedder(k_time_features);
    if (f_.pooled) time_ = n_.add(time_, embedder(f_.arch == "flux" || f_.arch == "hyvid" ? 768 : 2048));
    if (f_.guided) time_ = n_.add(time_, embedder(k_time_features));
    shared_parts();
    switch (f_.blocks) {
      case Blocks::streams: streams(); break;
      case Blocks::cross: cross(); break;
      case Blocks::sequence: sequence(); break;
    }
    const auto scale = n_.linear(n_.silu(time_), std::uint64_t{2} * d_.n_embd, true, WeightKind::kept);
    image_ = modulated(n_.layer_norm(image_, false), n_.chunk(scale, 2, 0), n_.chunk(scale, 2, 1));
    n_.expand(n_.linear(image_, n_patch, true, WeightKind::kept));
  }

 private:
  struct Heads {
    Ref q, k, v;
  };
  struct Scales {
    Ref all;
    std::uint64_t count = 0;
  };

  std::uint64_t width() const { return d_.n_embd; }
  std::uint64_t head() const { return d_.n_embd / d_.n_head; }
  std::uint64_t tokens(Ref x) const { return n_.at(x).ne[1]; }

  Ref embedder(std::uint64_t n_in)
  {
    const auto kind = f_.arch == "sd3" ? WeightKind::wide : WeightKind::kept;
    const auto hidden = n_.silu_(n_.linear(n_.input(TensorType::f32, n_in), width(), true, kind));
    return n_.linear(hidden, width(), true, kind);
  }

  /// What stands beside the blocks: modulation that all of them share, tables of positions.
  void shared_parts()
  {
    constexpr std::uint64_t k_hidden = 5120, k_layers = 5;  // Chroma's approximator (flux.hpp: ChromaApproximator)
    if (f_.modulation == Modulation::shared) n_.declare(WeightKind::matrix, width(), 15 * width());
    if (f_.modulation == Modulation::distilled) {
      n_.declare(WeightKind::matrix, k_hidden, 2 * k_layers * k_hidden + width());
    }
    if (f_.n_positions > 0) {
      const std::uint64_t side = d_.n_layer_dual > 0 ? 2 * f_.n_positions : f_.n_positions;
      n_.declare(WeightKind::position, width(), side * side);
    }
  }

  WeightKind scales_kind() const { return f_.norm_scales ? WeightKind::scales : WeightKind::matrix; }
  Scales scales(std::uint64_t count)
  {
    if (f_.modulation == Modulation::own) return {n_.linear(n_.silu(time_), count * width(), true, scales_kind()), count};
    return {n_.input(TensorType::f32, count * width()), count};
  }
  Ref part(const Scales& s, std::uint64_t i) { return n_.chunk(s.all, s.count, i); }

  /// x · (1 + scale) + shift
  Ref modulated(Ref x, Ref shift, Ref scale)
  {
    x = n_.add(x, n_.mul(x, scale));
    return n_.add(x, shift);
  }

  Heads project(Ref x)
  {
    const auto n = tokens(x);
    Heads h;
    if (f_.fused_qkv) {
      auto qkv = n_.linear(x, 3 * width(), f_.bias);
      h = split(qkv, n);
    } else {
      h.q = n_.reshape(n_.linear(x, width(), f_.bias), head(), d_.n_head, n);
      h.k = n_.reshape(n_.linear(x, width(), f_.bias), head(), d_.n_head, n);
      h.v = n_.reshape(n_.linear(x, width(), f_.bias), head(), d_.n_head, n);
    }
    h.q = n_.rms_norm(h.q);
    h.k = n_.rms_norm(h.k);
    return h;
  }

  /// q, k and v as views of one projection of at least three widths.
  Heads split(Ref qkv, std::uint64_t n)
  {
    const auto& t = n_.at(qkv);
    const auto row = t.nb[1];
    const auto one = [&](std::uint64_t i) { return n_.view_3d(qkv, head(), d_.n_head, n, head() * 4, row, i * width() * 4); };
    return {one(0), one(1), one(2)};
  }

  Ref attend(const Heads& h, Ref pe)
  {
    if (f_.rope) return n_.rope_attention(h.q, h.k, h.v, pe);
    const auto flat = [&](Ref x) { return n_.reshape(n_.cont(x), width(), n_.at(x).ne[2]); };
    return n_.attention(flat(h.q), flat(h.k), flat(h.v), d_.n_head);
  }

  Ref feed_forward(Ref x)
  {
    if (f_.mixes_pixels) {
      constexpr std::uint64_t k_kernel = 9;
      const std::uint64_t both_width = std::uint64_t{2} * d_.n_ff;
      const auto both = n_.silu_(n_.linear(x, both_width));
      n_.declare(WeightKind::kernel, k_kernel, both_width);
      n_.declare(WeightKind::vector, both_width);
      const auto mixed = n_.custom(Op::pool_2d, TensorType::f32, n_.at(both).ne, {both});  // as large, little arithmetic
      const auto gate = n_.silu(n_.cont(n_.chunk(mixed, 2, 1)));
      return n_.linear(n_.mul(n_.chunk(mixed, 2, 0), gate), width(), false);
    }
    if (f_.gated) {
      // Gate and values side by side, as FLUX.2 has them, or apart.
      if (f_.blocks == Blocks::streams) {
        const auto both = n_.linear(x, std::uint64_t{2} * d_.n_ff, f_.bias);
        const auto gate = n_.silu_(n_.cont(n_.chunk(both, 2, 0)));
        return n_.linear(n_.mul(n_.chunk(both, 2, 1), gate), width(), f_.bias);
      }
      const auto gate = n_.linear(x, d_.n_ff, f_.bias), up = n_.linear(x, d_.n_ff, f_.bias);
      return n_.linear(n_.glu_split(gate, up), width(), f_.bias);
    }
    return n_.linear(n_.gelu_(n_.linear(x, d_.n_ff, f_.bias)), width(), f_.bias);
  }

  // --- Two streams, then one (FLUX, SD 3, Qwen-Image, HunyuanVideo) -----------------------------------------------------------------

  void streams()
  {
    const auto pe = f_.rope ? n_.positions(head(), tokens(image_) + tokens(text_)) : Ref{};
    const auto n_dual = std::min(d_.n_layer_dual, d_.n_layer);
    n_.repeat_block(n_dual, [&] { double_block(pe, true); });
    const std::uint64_t n_last = f_.text_ends && d_.n_layer > n_dual ? 1 : 0;
    n_.repeat_block(d_.n_layer - n_dual - n_last, [&] { double_block(pe, false); });
    n_.repeat_block(n_last, [&] { double_block(pe, false, true); });
    if (d_.n_layer_single == 0) return;
    const auto n_text = tokens(text_), n_image = tokens(image_);
    image_ = n_.concat(text_, image_, 1);
    n_.repeat_block(d_.n_layer_single, [&] { single_block(pe); });
    const auto& t = n_.at(image_);
    image_ = n_.cont(n_.view_2d(image_, t.ne[0], n_image, t.nb[1], n_text * t.nb[1]));
  }

  void double_block(Ref pe, bool dual, bool text_ends = false)
  {
    const auto mod_image = scales(dual ? 9 : 6), mod_text = scales(text_ends ? 2 : 6);
    const auto image_in = modulated(n_.layer_norm(image_, false), part(mod_image, 0), part(mod_image, 1));
    const auto i = project(image_in);
    const auto t = project(modulated(n_.layer_norm(text_, false), part(mod_text, 0), part(mod_text, 1)));
    const Heads both{n_.concat(t.q, i.q, 2), n_.concat(t.k, i.k, 2), n_.concat(t.v, i.v, 2)};
    const auto y = attend(both, pe);
    const auto row = n_.at(y).nb[1];
    const auto text_out = n_.view_2d(y, width(), tokens(text_), row, 0);
    const auto image_out = n_.view_2d(y, width(), tokens(image_), row, tokens(text_) * row);
    image_ = n_.add(image_, n_.mul(n_.linear(image_out, width(), f_.bias), part(mod_image, 2)));
    if (dual) {
      const auto again = project(modulated(n_.layer_norm(image_, false), part(mod_image, 6), part(mod_image, 7)));
      image_ = n_.add(image_, n_.mul(n_.linear(attend(again, pe), width(), f_.bias), part(mod_image, 8)));
    }
    auto ff = feed_forward(modulated(n_.layer_norm(image_, false), part(mod_image, 3), part(mod_image, 4)));
    image_ = n_.add(image_, n_.mul(ff, part(mod_image, 5)));
    if (text_ends) return;
    text_ = n_.add(text_, n_.mul(n_.linear(text_out, width(), f_.bias), part(mod_text, 2)));
    ff = feed_forward(modulated(n_.layer_norm(text_, false), part(mod_text, 3), part(mod_text, 4)));
    text_ = n_.add(text_, n_.mul(ff, part(mod_text, 5)));
  }

  void single_block(Ref pe)
  {
    const auto n = tokens(image_);
    const auto mod = scales(f_.n_scales ? f_.n_scales : 3);
    const auto x = modulated(n_.layer_norm(image_, false), part(mod, 0), part(mod, 1));
    const std::uint64_t n_up = f_.gated ? 2 * d_.n_ff : d_.n_ff;
    const auto both = n_.linear(x, 3 * width() + n_up, f_.bias);
    auto h = split(both, n);
    h.q = n_.rms_norm(h.q);
    h.k = n_.rms_norm(h.k);
    const auto y = attend(h, pe);
    const auto row = n_.at(both).nb[1];
    auto up = n_.cont(n_.view_2d(both, n_up, n, row, 3 * width() * 4));
    up = f_.gated ? n_.mul(n_.chunk(up, 2, 1), n_.silu_(n_.cont(n_.chunk(up, 2, 0)))) : n_.gelu_(up);
    const auto out = n_.linear(n_.concat(y, up, 0), width(), f_.bias);
    image_ = n_.add(image_, n_.mul(out, part(mod, 2)));
  }

  // --- Self-attention of the image, cross-attention to the text (Wan, LTX, PixArt) ----------------------------------------------------

  void cross()
  {
    const auto n = tokens(image_);
    const auto pe = f_.rope ? n_.positions(head(), n) : Ref{};
    text_ = n_.linear(n_.gelu_(text_), width());
    n_.linear(n_.silu(time_), 6 * width());
    n_.repeat_block(d_.n_layer, [&] {
      n_.declare(WeightKind::vector, width(), 6);
      const Scales mod{n_.input(TensorType::f32, 6 * width()), 6};
      auto x = modulated(n_.layer_norm(image_, false), part(mod, 0), part(mod, 1));
      const auto q = n_.rms_norm(n_.linear(x, width())), k = n_.rms_norm(n_.linear(x, width())), v = n_.linear(x, width());
      const auto heads = [&](Ref r) { return n_.reshape(r, head(), d_.n_head, n); };
      const auto y = f_.linear ? n_.mul(q, k) : attend({heads(q), heads(k), heads(v)}, pe);
      image_ = n_.add(image_, n_.mul(n_.linear(y, width()), part(mod, 2)));
      x = n_.layer_norm(image_, true);
      const auto cq = n_.rms_norm(n_.linear(x, width()));
      const auto ck = n_.rms_norm(n_.linear(text_, width())), cv = n_.linear(text_, width());
      auto seen = n_.attention(cq, ck, cv, d_.n_head);
      if (sees_image_) {
        // An image to start from: keys and values of its own (WanI2VCrossAttention).
        const auto picture = n_.input(TensorType::f32, width(), k_image_tokens);
        const auto pk = n_.rms_norm(n_.linear(picture, width())), pv = n_.linear(picture, width());
        seen = n_.add(seen, n_.attention(cq, pk, pv, d_.n_head));
      }
      image_ = n_.add(image_, n_.linear(seen, width()));
      const auto ff = feed_forward(modulated(n_.layer_norm(image_, false), part(mod, 3), part(mod, 4)));
      image_ = n_.add(image_, n_.mul(ff, part(mod, 5)));
    });
  }

  // --- Text and image in one sequence from the start (Lumina 2, Z-Image, CogVideoX) ----------------------------------------------------

  void sequence()
  {
    const auto n_text = tokens(text_), n_image = tokens(image_);
    const auto refine = [&](Ref& x, bool modulates) {
      const auto pe = n_.positions(head(), tokens(x));
      n_.repeat_block(d_.n_layer_refine, [&] { x = sequence_block(x, pe, modulates); });
    };
    refine(text_, false);
    refine(image_, true);
    auto x = n_.concat(text_, image_, 1);
    const auto pe = n_.positions(head(), n_text + n_image);
    n_.repeat_block(d_.n_layer, [&] { x = sequence_block(x, pe, true); });
    const auto& t = n_.at(x);
    image_ = n_.cont(n_.view_2d(x, t.ne[0], n_image, t.nb[1], n_text * t.nb[1]));
  }

  Ref sequence_block(Ref x, Ref pe, bool modulates)
  {
    Scales mod;
    if (modulates) {
      const auto source = f_.n_time ? n_.input(TensorType::f32, f_.n_time) : n_.silu(time_);
      const std::uint64_t n_scales = f_.n_scales ? f_.n_scales : 4;
      mod = {n_.linear(source, n_scales * width(), true, scales_kind()), n_scales};
    }
    const auto scaled = [&](Ref y, std::uint64_t i) { return modulates ? n_.add(y, n_.mul(y, part(mod, i))) : y; };
    const auto gated = [&](Ref y, std::uint64_t i) { return modulates ? n_.mul(y, part(mod, i)) : y; };
    auto y = project(scaled(n_.rms_norm(x), 0));
    auto out = n_.rms_norm(n_.linear(attend(y, pe), width(), f_.bias));
    x = n_.add(gated(out, 1), x);
    out = n_.rms_norm(feed_forward(scaled(n_.rms_norm(x), 2)));
    return n_.add(gated(out, 3), x);
  }

  Net& n_;
  const Family& f_;
  const DenoiserSpec& d_;
  bool sees_image_ = false;
  Ref image_, text_, time_;
};

}  // namespace

std::uint64_t ImageShape::tokens(const Latent& latent) const
{
  const auto up = [](std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; };
  return up(latent_frames(latent), latent.patch[0]) * up(latent_height(latent), latent.patch[1]) *
         up(latent_width(latent), latent.patch[2]);
}

std::optional<GraphKnown> transformer_known(std::string_view arch, const MediaSpec& spec)
{
  const auto* family = find(arch);
  const auto& d = spec.denoiser;
  if (!family || !d || !spec.latent || d->n_embd == 0 || d->n_head == 0) return std::nullopt;
  return family->known;
}

void build_transformer(Net& net, std::string_view arch, const MediaSpec& spec, const ImageShape& image)
{
  const auto& latent = *spec.latent;
  const auto n_patch = std::uint64_t{latent.channels} * latent.patch[0] * latent.patch[1] * latent.patch[2];
  const bool sees_image = std::ranges::find(spec.components, "image_encoder", &Component::role) != spec.components.end();
  const auto n_tokens = image.tokens(latent);
  if (arch == "hidream") return build_hidream(net, *spec.denoiser, n_tokens, n_patch);
  if (arch == "mochi") return build_mochi(net, *spec.denoiser, n_tokens, n_patch);
  if (spec.denoiser->n_embd_audio > 0) return build_ltx2(net, *spec.denoiser, n_tokens, n_patch, image.frames);
  Transformer(net, *find(arch), *spec.denoiser, sees_image).build(n_tokens, n_patch);
}

}  // namespace canirun
