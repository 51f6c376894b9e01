#pragma once

#include <optional>
#include <string_view>

#include "canirun/core/media.hpp"
#include "media/net.hpp"

/// \file
/// The networks that turn noise into an image or a video, and the decoders that make pixels of it. Each builds itself into a `Net`:
/// weights, operations of one evaluation, arithmetic (docs/media-models.md).

namespace canirun {

/// What one evaluation works on.
struct ImageShape {
  std::uint32_t width = 0, height = 0;  ///< Pixels.
  std::uint32_t frames = 1;
  std::uint64_t latent_width(const Latent& latent) const { return width / latent.downscale; }
  std::uint64_t latent_height(const Latent& latent) const { return height / latent.downscale; }
  std::uint64_t latent_frames(const Latent& latent) const { return (frames - 1) / latent.temporal + 1; }
  /// Tokens of a transformer: latents in patches.
  std::uint64_t tokens(const Latent& latent) const;
};

/// How far a denoiser's buffers are known.
enum class GraphKnown {
  replayed,   ///< Operation by operation, as stable-diffusion.cpp builds it.
  estimated,  ///< By the shapes of its family, with blocks of the nearest known one.
};

/// The UNets of Stable Diffusion 1, 2 and XL: `arch` "sd1", "sd2", "sdxl".
bool is_unet(std::string_view arch);
void build_unet(Net& net, std::string_view arch, const MediaSpec& spec, const ImageShape& image);

/// Diffusion transformers; nothing where the architecture is unknown or its shapes are not stated.
std::optional<GraphKnown> transformer_known(std::string_view arch, const MediaSpec& spec);
void build_transformer(Net& net, std::string_view arch, const MediaSpec& spec, const ImageShape& image);

/// The decoder half of a VAE: latents to pixels. Images: AutoencoderKL. Videos: causal 3-D convolutions, chunk by chunk.
void build_image_decoder(Net& net, const Latent& latent, const ImageShape& image);

/// Bytes that decoding a video takes, by the widest convolution of the decoder's last level (docs/media-models.md).
std::uint64_t video_decoder_bytes(std::string_view arch, const Latent& latent, const ImageShape& image);

/// Numbers that are live while PyTorch decodes one: the same convolution with what surrounds it (docs/diffusers.md).
std::uint64_t video_decoder_numbers(std::string_view arch, const Latent& latent, const ImageShape& image);

}  // namespace canirun
