#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "canirun/core/speed.hpp"
#include "canirun/core/units.hpp"

/// \file
/// How an image, video or speech model runs: under stable-diffusion.cpp, whisper.cpp, or as far as its sizes say.

namespace canirun {

/// What a user states of a picture; nothing stated = what the model was made for.
struct MediaRequest {
  std::optional<std::array<std::uint32_t, 2>> resolution;  ///< Width, height in pixels.
  std::optional<std::uint32_t> frames;
  std::optional<std::uint32_t> steps;
};

/// What one stage of a run holds at its peak, beside the runtime's overhead.
struct MediaStage {
  std::string name;  ///< "text encoder", "denoiser", "decoder", "speech encoder", "speech decoder".
  Bytes gpu;
  Bytes host;
};

struct MediaRun {
  enum class Unit { image, video, speech };
  Unit unit = Unit::image;
  std::string runtime;  ///< "stable-diffusion.cpp", "whisper.cpp", "" = by sizes only.
  std::uint32_t width = 0, height = 0, frames = 1, steps = 0;
  std::vector<std::string> settings;  ///< Flags that the placement needs, cheapest first: "--vae-tiling".
  std::vector<MediaStage> stages;
  std::optional<Range> seconds;          ///< For one image or video.
  std::optional<Range> times_real_time;  ///< Of speech: seconds of sound in a second.
  /// What measurements of such buffers are of the estimate, from low to high: 1, 1 where they are replayed operation by operation.
  double memory_low = 1, memory_high = 1;
};

}  // namespace canirun
