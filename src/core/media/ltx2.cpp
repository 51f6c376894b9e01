#include <algorithm>

#include "media/families.hpp"

/// \file
/// LTX-2 and 2.3 (stable-diffusion.cpp: src/model/diffusion/ltxv.hpp; diffusers: models/transformers/transformer_ltx2.py). Video and
/// sound have a stream each, with attention to itself, to the text, and to the other stream in the sound's heads.

namespace canirun {

namespace {

constexpr std::uint64_t k_time_features = 256;
constexpr std::uint64_t k_audio_patch = 128;  // 8 channels of 16 frequencies
// A latent of sound is 4 spectra of 160 samples at 16 kHz; films have 24 pictures a second.
constexpr double k_audio_rate = 16000.0 / 160 / 4, k_frame_rate = 24;
constexpr std::uint64_t k_cross_scales = 4;  // of both directions between the streams: a scale and a shift each

class Ltx2 {
 public:
  Ltx2(Net& net, const DenoiserSpec& shape) : n_(net), d_(shape) {}

  void build(std::uint64_t n_tokens, std::uint64_t n_patch, std::uint64_t n_frames)
  {
    const auto n_audio =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(static_cast<double>(n_frames) / k_frame_rate * k_audio_rate));
    auto video = stream(n_tokens, n_patch, d_.n_embd, d_.n_head);
    auto audio = stream(n_audio, k_audio_patch, d_.n_embd_audio, d_.n_head_audio);
    n_.repeat_block(d_.n_layer, [&] { block(video, audio); });
    finish(video, n_patch);
    finish(audio, k_audio_patch);
  }

 private:
  struct Stream {
    Ref x, text;
    std::uint64_t width = 0, n_head = 0;
    Ref scales, cross_scales, cross_gate, text_scales;  ///< Of the time step, before a block's own tables.
    Ref pe, cross_pe;
  };

  /// Scales of a block: 3 each for the attention to itself, the feed-forward part and, in 2.3, the text.
  std::uint64_t n_scales() const { return d_.cross_attn_mod ? 9 : 6; }
  std::uint64_t tokens(Ref x) const { return n_.at(x).ne[1]; }

  Stream stream(std::uint64_t n_tokens, std::uint64_t n_patch, std::uint64_t width, std::uint64_t n_head)
  {
    Stream s;
    s.width = width;
    s.n_head = n_head;
    s.x = n_.linear(n_.input(TensorType::f32, n_patch, n_tokens), width, true, WeightKind::wide);
    s.text = caption(width);
    s.scales = time_scales(width, n_scales());
    s.cross_scales = time_scales(width, k_cross_scales);
    s.cross_gate = time_scales(width, 1);
    if (d_.cross_attn_mod) s.text_scales = time_scales(width, 2);
    s.pe = n_.positions(width / n_head, n_tokens * n_head);
    s.cross_pe = n_.positions(d_.n_embd_audio / d_.n_head_audio, n_tokens * d_.n_head_audio);
    return s;
  }

  /// 2.3's connectors end in the streams' widths, 2's in the text encoder's.
  Ref caption(std::uint64_t width)
  {
    if (d_.cross_attn_mod) return n_.input(TensorType::f32, width, d_.n_text);
    const auto text = n_.linear(n_.input(TensorType::f32, d_.n_embd_text, d_.n_text), width, true, WeightKind::wide);
    return n_.linear(n_.gelu_(text), width, true, WeightKind::wide);
  }

  Ref time_scales(std::uint64_t width, std::uint64_t count)
  {
    const auto hidden = n_.silu_(n_.linear(n_.input(TensorType::f32, k_time_features), width, true, WeightKind::wide));
    const auto time = n_.silu(n_.linear(hidden, width, true, WeightKind::wide));
    return n_.linear(time, count * width, true, WeightKind::wide);
  }

  /// The time step's scales with a block's own table added.
  Ref of_block(Ref scales)
  {
    const auto n = n_.at(scales).ne[0];
    n_.declare(WeightKind::vector, n);
    return n_.add(scales, n_.input(TensorType::f32, n));
  }

  Ref modulated(Ref x, Ref shift, Ref scale)
  {
    x = n_.add(x, n_.mul(x, scale));
    return n_.add(x, shift);
  }
  Ref normed(Ref x) { return static_cast<GraphOps&>(n_).rms_norm(x); }

  Ref turned(Ref x, std::uint64_t n_head, Ref pe)
  {
    const auto width = n_.at(x).ne[0], n = tokens(x);
    return n_.reshape(n_.apply_rope(n_.reshape(x, width / n_head, 1, n * n_head), pe), width, n);
  }

  /// Of `x` over `context`, in `n_head` heads of `inner` numbers together.
  Ref attention(Ref x, Ref context, std::uint64_t inner, std::uint64_t n_head, Ref pe = {}, Ref context_pe = {})
  {
    const auto width = n_.at(x).ne[0], n = tokens(x);
    auto q = n_.rms_norm(n_.linear(x, inner)), k = n_.rms_norm(n_.linear(context, inner));
    const auto v = n_.linear(context, inner);
    if (pe) {
      q = turned(q, n_head, pe);
      k = turned(k, n_head, context_pe);
    }
    auto y = n_.attention(q, k, v, n_head);
    if (d_.gated_attn) {
      const auto gates = n_.reshape(n_.sigmoid(n_.linear(x, n_head)), 1, n_head, n);
      y = n_.reshape(n_.mul(n_.reshape(y, inner / n_head, n_head, n), gates), inner, n);
    }
    return n_.linear(y, width);
  }

  /// Attention of a stream to itself and to the text. Returns the block's scales.
  Ref attend(Stream& s)
  {
    const auto mods = of_block(s.scales);
    const auto part = [&](std::uint64_t i) { return n_.chunk(mods, n_scales(), i); };
    const auto x = modulated(normed(s.x), part(0), part(1));
    auto y = attention(x, x, s.width, s.n_head, s.pe, s.pe);
    s.x = n_.add(s.x, n_.mul(y, part(2)));
    auto text = s.text;
    auto query = normed(s.x);
    if (d_.cross_attn_mod) {
      const auto text_mods = of_block(s.text_scales);
      query = modulated(query, part(6), part(7));
      text = modulated(text, n_.chunk(text_mods, 2, 0), n_.chunk(text_mods, 2, 1));
    }
    y = attention(query, text, s.width, s.n_head);
    s.x = n_.add(s.x, d_.cross_attn_mod ? n_.mul(y, part(8)) : y);
    return mods;
  }

  void feed_forward(Stream& s, Ref mods)
  {
    const auto part = [&](std::uint64_t i) { return n_.chunk(mods, n_scales(), i); };
    const auto x = modulated(normed(s.x), part(3), part(4));
    const auto y = n_.linear(n_.gelu_(n_.linear(x, s.width * d_.n_ff / d_.n_embd)), s.width);
    s.x = n_.add(s.x, n_.mul(y, part(5)));
  }

  void block(Stream& video, Stream& audio)
  {
    const auto video_mods = attend(video), audio_mods = attend(audio);
    const auto v = normed(video.x), a = normed(audio.x);
    const auto video_cross = of_block(video.cross_scales), audio_cross = of_block(audio.cross_scales);
    const auto scaled = [&](Ref x, Ref mods, std::uint64_t first) {
      return modulated(x, n_.chunk(mods, k_cross_scales, first + 1), n_.chunk(mods, k_cross_scales, first));
    };
    const auto inner = audio.width, n_head = audio.n_head;
    auto seen = attention(scaled(v, video_cross, 0), scaled(a, audio_cross, 0), inner, n_head, video.cross_pe, audio.cross_pe);
    video.x = n_.add(video.x, n_.mul(seen, of_block(video.cross_gate)));
    seen = attention(scaled(a, audio_cross, 2), scaled(v, video_cross, 2), inner, n_head, audio.cross_pe, video.cross_pe);
    audio.x = n_.add(audio.x, n_.mul(seen, of_block(audio.cross_gate)));
    feed_forward(audio, audio_mods);
    feed_forward(video, video_mods);
  }

  void finish(Stream& s, std::uint64_t n_patch)
  {
    n_.declare(WeightKind::vector, s.width, 2);
    const auto mods = n_.input(TensorType::f32, 2 * s.width);
    const auto x = modulated(n_.layer_norm(s.x, false), n_.chunk(mods, 2, 0), n_.chunk(mods, 2, 1));
    n_.expand(n_.linear(x, n_patch, true, WeightKind::wide));
  }

  Net& n_;
  const DenoiserSpec& d_;
};

}  // namespace

void build_ltx2(Net& net, const DenoiserSpec& shape, std::uint64_t n_tokens, std::uint64_t n_patch, std::uint64_t n_frames)
{
  Ltx2(net, shape).build(n_tokens, n_patch, n_frames);
}

}  // namespace canirun
