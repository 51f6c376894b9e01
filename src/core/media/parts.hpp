#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/checkpoint.hpp"
#include "canirun/core/media.hpp"
#include "canirun/core/model.hpp"
#include "canirun/core/placement.hpp"
#include "media/denoiser.hpp"
#include "media/diffusers.hpp"
#include "media/image_program.hpp"

/// \file
/// An image or video model as the search for settings sees it: bytes of each part at a type, bytes of each stage's buffer, arithmetic.

namespace canirun {

/// Sizes of the parts at one type of weights.
struct PartBytes {
  std::uint64_t encoders = 0;
  std::uint64_t denoiser = 0;  ///< Of all experts together.
  std::uint64_t expert = 0;    ///< The largest that a step needs.
  std::uint64_t decoder = 0;
  std::array<std::uint64_t, 3> streamed{};  ///< Of each stage's weights, what is on the GPU at a time when they stream.
  std::uint64_t kept = 0;                   ///< Weights beside those that stay on the GPU whatever is offloaded.
  std::uint64_t loading = 0;                ///< RAM that holds weights while they load, although they end up elsewhere.
  std::uint64_t number = 0;                 ///< Bytes of an intermediate result's number (Account::eager).
  std::uint64_t decoded_number = 0;         ///< The same in the decoder.

  std::uint64_t total() const { return encoders + denoiser + decoder + kept; }
};

class ImageModel {
 public:
  ImageModel(const ModelSpec& model, const ImageShape& image, Backend backend, Account account = Account::ggml);

  /// As stable-diffusion.cpp stores them, and as PyTorch does (docs/diffusers.md, "Weights").
  PartBytes parts(TensorType type) const;
  PartBytes parts(CheckpointType type) const;
  /// Bytes of what each stage computes with, beside weights: text encoder, denoiser, decoder.
  std::array<std::uint64_t, 3> buffers(const Setup& setup, const PartBytes& parts) const;
  /// True where the program can run the text encoders on the CPU and the rest on the GPU.
  bool encodes_apart() const { return account_ == Account::ggml || diffusers_encodes_apart(model_.arch); }
  /// Evaluations of the denoiser that run as one batch.
  std::uint32_t batch() const { return batch_; }
  /// Bytes of each stage's compute buffer.
  std::uint64_t encoder_buffer() const;
  std::uint64_t denoiser_buffer(bool flash_attn) const;
  std::uint64_t decoder_buffer(bool tiled) const;
  /// Encoding the text, one evaluation of the denoiser, decoding.
  const NetWork& encoder_work() const { return encoder_work_; }
  const NetWork& denoiser_work() const { return denoiser_work_; }
  const NetWork& decoder_work() const { return decoder_work_; }
  /// False: only sizes are known, neither buffers nor speed.
  bool known() const { return known_.has_value(); }
  /// Measured buffers over estimated ones, from low to high (docs/media-models.md).
  double memory_low() const;
  double memory_high() const;
  /// Parameters that the denoiser's shapes add up to; 0 = no shapes.
  std::uint64_t declared_params() const { return declared_params_; }

 private:
  bool is_video() const { return model_.kind == ModelKind::video; }
  void build_denoiser(Net& net) const;
  std::uint64_t encoder_bytes(const Component& part, TensorType type) const;
  std::uint64_t denoiser_bytes(CheckpointType type) const;
  /// Of a convolution's input and output, in numbers of so many bytes (eager.hpp).
  std::uint64_t copies(std::uint64_t number) const;
  std::uint64_t denoiser_numbers(std::uint64_t copies) const;
  std::uint64_t decoder_numbers(bool tiled, std::uint64_t copies) const;

  const ModelSpec& model_;
  const MediaSpec& media_;
  ImageShape image_;
  Backend backend_;
  Account account_;
  std::uint32_t batch_ = 1;
  std::optional<GraphKnown> known_;
  std::vector<NetWeight> denoiser_weights_, decoder_weights_;
  std::uint64_t declared_params_ = 0;
  NetWork encoder_work_, denoiser_work_, decoder_work_;
  mutable std::array<std::optional<std::uint64_t>, 2> denoiser_buffer_, decoder_buffer_;
  mutable std::array<std::optional<std::uint64_t>, 3> denoiser_numbers_;  ///< By copies.
};

}  // namespace canirun
