#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/model.hpp"
#include "canirun/core/media.hpp"
#include "canirun/core/placement.hpp"
#include "media/denoiser.hpp"

/// \file
/// An image or video model as the search for settings sees it: bytes of each part at a type, bytes of each stage's buffer, arithmetic.

namespace canirun {

/// Sizes of the parts at one type of weights.
struct PartBytes {
  std::uint64_t encoders = 0;
  std::uint64_t denoiser = 0;  ///< Of all experts together.
  std::uint64_t expert = 0;    ///< The largest that a step needs.
  std::uint64_t decoder = 0;

  std::uint64_t total() const { return encoders + denoiser + decoder; }
};

class ImageModel {
 public:
  ImageModel(const ModelSpec& model, const ImageShape& image, Backend backend);

  PartBytes parts(TensorType type) const;
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

  const ModelSpec& model_;
  const MediaSpec& media_;
  ImageShape image_;
  Backend backend_;
  std::optional<GraphKnown> known_;
  std::vector<NetWeight> denoiser_weights_, decoder_weights_;
  std::uint64_t declared_params_ = 0;
  NetWork encoder_work_, denoiser_work_, decoder_work_;
  mutable std::array<std::optional<std::uint64_t>, 2> denoiser_buffer_, decoder_buffer_;
};

}  // namespace canirun
