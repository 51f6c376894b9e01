#include <array>

#include "media/denoiser.hpp"

/// \file
/// Decoders of latents (stable-diffusion.cpp: src/model/vae/auto_encoder_kl.hpp, src/model/vae/wan_vae.hpp).

namespace canirun {

namespace {

Ref residual(Net& n, Ref x, std::uint64_t n_out)
{
  auto h = n.conv(n.silu_(n.group_norm(x)), n_out);
  h = n.conv(n.silu_(n.group_norm(h)), n_out);
  return n.add(h, n.at(x).ne[2] == n_out ? x : n.conv(x, n_out, 1));
}

/// One head over all pixels; its projections are 1×1 convolutions.
Ref middle_attention(Net& n, Ref x)
{
  const auto width = n.at(x).ne[0], height = n.at(x).ne[1], channels = n.at(x).ne[2];
  const auto h = n.group_norm(x);
  const auto tokens = [&] { return n.reshape(n.cont(n.permute(n.conv(h, channels, 1), 1, 2, 0, 3)), channels, width * height); };
  const auto q = tokens(), k = tokens(), v = tokens();
  auto y = n.cont(n.permute(n.attention(q, k, v, 1), 1, 0, 2, 3));
  y = n.conv(n.reshape(y, width, height, channels), channels, 1);
  return n.add(y, x);
}

/// What is widest in a video decoder: the first convolution of its last level.
struct VideoDecoder {
  std::string_view arch;
  std::uint64_t channels;  ///< That come out of the level before.
  std::uint64_t patch;     ///< Pixels that one position of the last level stands for, each way.
  /// Under diffusers: channels of the last convolution that enlarges, frames that are decoded together (0 = all of them).
  std::uint64_t n_enlarged, n_together;
};

// Wan 2.1: dimensions 96·(4, 4, 2, 1); Wan 2.2: 256·(4, 4, 2, 1) at half the resolution (wan_vae.hpp). LTX: the last level has 128
// channels at a quarter of the resolution (ltx_vae.hpp). The others: AutoencoderKL's widths in three dimensions (diffusers).
//
// diffusers (models/autoencoders): autoencoder_kl_wan.py decodes one latent frame at a time; autoencoder_kl_hunyuan_video.py tiles of 16
// frames and one (use_framewise_decoding); autoencoder_kl_cogvideox.py two latent frames (num_latent_frames_batch_size); LTX, whose
// upsampling turns depth into space, and Mochi all.
constexpr std::array<VideoDecoder, 6> k_video_decoders{{{"wan", 192, 1, 192, 4},
                                                        {"wan2.2", 512, 2, 512, 4},
                                                        {"ltxv", 256, 4, 128, 0},
                                                        {"hyvid", 256, 1, 256, 17},
                                                        {"cogvideox", 256, 1, 256, 8},
                                                        {"mochi", 256, 1, 256, 0}}};
// The enlarged frames, padded, convolved, and both once more with channels last.
constexpr std::uint64_t k_copies = 5;

constexpr std::uint64_t k_taps = 27;           // 3×3×3
constexpr std::uint64_t k_cached_frames = 2;   // a causal convolution keeps this many of the chunk before
constexpr std::uint64_t k_cached_layers = 13;  // convolutions of the last level and of the one before it

}  // namespace

void build_image_decoder(Net& n, const Latent& latent, const ImageShape& image)
{
  constexpr std::array<std::uint64_t, 4> k_widths{128, 256, 512, 512};
  constexpr std::size_t k_blocks = 3;
  // FLUX.2 packs 2×2 latents of 32 channels; its decoder sees them unpacked (32 channels at an eighth).
  const auto channels = latent.channels;
  auto x = n.input(TensorType::f32, image.width / 8, image.height / 8, channels);
  if (channels == 4 || channels == 32) x = n.conv(x, channels, 1);  // post_quant_conv
  x = n.conv(x, k_widths.back());
  x = residual(n, x, k_widths.back());
  x = middle_attention(n, x);
  x = residual(n, x, k_widths.back());
  for (std::size_t level = k_widths.size(); level-- > 0;) {
    const auto entered = x;
    for (std::size_t i = 0; i < k_blocks; ++i) x = residual(n, x, k_widths[level]);
    if (level > 0) {
      const auto small = x;
      const auto ne = n.at(x).ne;
      x = n.conv(n.custom(Op::pool_2d, TensorType::f32, {2 * ne[0], 2 * ne[1], ne[2], 1}, {x}), ne[2]);
      n.hold(small);
    }
    n.hold(entered);
  }
  n.expand(n.conv(n.silu_(n.group_norm(x)), 3));
}

namespace {

VideoDecoder video_decoder(std::string_view arch, const Latent& latent)
{
  if (arch == "wan" && latent.downscale == 16) arch = "wan2.2";
  for (const auto& d : k_video_decoders) {
    if (d.arch == arch) return d;
  }
  return {arch, 256, 1, 256, 0};
}

std::uint64_t positions_of(const VideoDecoder& shape, const ImageShape& image)
{
  return std::uint64_t{image.width} * image.height / (shape.patch * shape.patch);
}

}  // namespace

std::uint64_t video_decoder_numbers(std::string_view arch, const Latent& latent, const ImageShape& image)
{
  const auto shape = video_decoder(arch, latent);
  const auto frames = shape.n_together > 0 ? std::min<std::uint64_t>(shape.n_together, image.frames) : image.frames;
  return positions_of(shape, image) * frames * k_copies * shape.n_enlarged;
}

std::uint64_t video_decoder_bytes(std::string_view arch, const Latent& latent, const ImageShape& image)
{
  const auto shape = video_decoder(arch, latent);
  const auto positions = positions_of(shape, image);
  const auto chunk = std::min(latent.temporal, image.frames);
  const auto unfolded = k_taps * shape.channels * 2 * chunk;                           // im2col in F16
  const auto activations = 3 * shape.channels * 4 * (chunk + k_cached_frames);         // input, padded input, output in F32
  const auto caches = k_cached_frames * k_cached_layers * shape.channels * 4 * 3 / 4;  // half the layers are half as wide
  return positions * (unfolded + activations + caches);
}

}  // namespace canirun
