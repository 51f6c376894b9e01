#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// \file
/// What an image, video or audio model is made of, as its catalogue entry states it: parts with their sizes, the latent space, the
/// denoiser's shapes, how it is sampled. `ModelSpec::arch` names the architecture as GGUF files of such models do ("sdxl", "flux",
/// "wan"; docs/media-models.md); it is empty where only sizes are known.

namespace canirun {

/// How sure the size of one component is.
enum class Precision { exact, recalled, published, estimate };

/// A part that is loaded on its own: "unet", "transformer", "transformer_2", "text_encoder", "image_encoder", "connectors" (between text
/// encoder and denoiser), "vae", "model" …
struct Component {
  std::string role;
  std::string name;
  std::uint64_t n_params = 0;
  Precision precision = Precision::published;
};

/// The latent space that a denoiser works in.
struct Latent {
  std::uint32_t channels = 0;
  std::uint32_t downscale = 0;                  ///< Pixels per latent, each way.
  std::uint32_t temporal = 1;                   ///< Frames per latent frame.
  std::array<std::uint32_t, 3> patch{1, 1, 1};  ///< Latents per token: frames, height, width.
};

/// Shapes of a diffusion transformer. What its family does not have is 0.
struct DenoiserSpec {
  std::uint32_t n_layer = 0;         ///< Blocks with a stream (or cross-attention) for the text; of a plain transformer all.
  std::uint32_t n_layer_single = 0;  ///< Blocks after them in which text and image are one sequence.
  std::uint32_t n_layer_dual = 0;    ///< Blocks with a second self-attention of the image (SD 3.5 medium).
  std::uint32_t n_layer_refine = 0;  ///< Refiner blocks for each of image and text (Lumina 2, Z-Image).
  std::uint32_t n_embd = 0;
  std::uint32_t n_head = 0;
  std::uint32_t n_ff = 0;
  std::uint32_t n_embd_text = 0;  ///< Width of the text encoder's output.
  std::uint32_t n_text = 0;       ///< Tokens of text that a denoising step sees; of a model with several encoders, of each.
  std::uint32_t n_expert = 0;     ///< Experts in the image's feed-forward parts, `n_expert_used` of them for a token (HiDream).
  std::uint32_t n_expert_used = 0;
  std::uint32_t n_ff_shared = 0;   ///< Of the expert that sees every token.
  std::uint32_t n_embd_audio = 0;  ///< Width of a stream for sound beside the image's (LTX-2).
  std::uint32_t n_head_audio = 0;
  bool gated_attn = false;      ///< A gate for each head (LTX-2.3).
  bool cross_attn_mod = false;  ///< Scales of the time step for the text and for attention to it (LTX-2.3).
};

/// How it is sampled unless the user says otherwise: what its model card recommends.
struct SamplingSpec {
  std::uint32_t steps = 0;
  std::uint32_t passes = 1;  ///< Evaluations of the denoiser a step: 2 with classifier-free guidance.
  std::uint32_t frames = 1;
};

/// An encoder-decoder for speech (whisper.cpp); n_embd, n_head, n_ff and n_vocab are the spec's.
struct WhisperSpec {
  std::uint32_t n_layer_enc = 0;
  std::uint32_t n_layer_dec = 0;
  std::uint32_t n_mels = 0;
  std::uint32_t n_audio_ctx = 0;
};

struct MediaSpec {
  std::vector<Component> components;
  std::optional<Latent> latent;
  std::array<std::uint32_t, 2> native_resolution{0, 0};  ///< Width, height; 0 = none.
  std::optional<DenoiserSpec> denoiser;
  std::optional<SamplingSpec> sampling;
  std::optional<WhisperSpec> whisper;
  double tokens_per_second = 0;  ///< Of a speech model that a language model drives: tokens for a second of sound; 0 = unknown.
};

}  // namespace canirun
