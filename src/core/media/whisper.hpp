#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "canirun/core/media.hpp"
#include "canirun/core/model.hpp"
#include "media/net.hpp"

/// \file
/// A Whisper model under whisper.cpp: weights, caches, the four compute buffers, arithmetic (docs/media-models.md, "Speech").

namespace canirun {

class Whisper {
 public:
  /// Precondition: `model.media->whisper`.
  Whisper(const ModelSpec& model, bool flash_attn, Backend backend);

  std::uint64_t weights(TensorType type) const { return stored_bytes(weights_, type); }
  /// Of those, what a generated token reads: decoder blocks and the token embedding.
  std::uint64_t decoder_weights(TensorType type) const { return stored_bytes(decoder_weights_, type); }
  std::uint64_t n_decoder_weights() const;
  std::uint64_t n_params() const;

  /// Self-attention of `n_decoders` beams, cross-attention, and the padded keys of flash attention.
  std::uint64_t self_cache(std::uint32_t n_decoders) const;
  std::uint64_t cross_cache() const;
  std::uint64_t pad_cache() const;
  /// Buffers that are allocated side by side: conv, encode, cross, decode.
  const std::array<std::uint64_t, 4>& buffers() const { return buffers_; }
  /// FLOP of one window of 30 seconds: convolutions, encoder, cross-attention's keys and values.
  double window_flops() const { return window_flops_; }

 private:
  void convolutions(Net& net) const;
  void encoder(Net& net) const;
  void cross(Net& net) const;
  void decoder(Net& net) const;

  const ModelSpec& model_;
  WhisperSpec shape_;
  std::vector<NetWeight> weights_, decoder_weights_;
  std::array<std::uint64_t, 4> buffers_{};
  double window_flops_ = 0;
};

}  // namespace canirun
