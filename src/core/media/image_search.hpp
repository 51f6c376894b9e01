#pragma once

#include <optional>
#include <string>
#include <vector>

#include "canirun/core/grade.hpp"
#include "canirun/core/media_run.hpp"
#include "machine.hpp"
#include "media/image_program.hpp"
#include "media/parts.hpp"

/// \file
/// The setup of a program that suits a machine: settings tried in the order of what they cost, a peak for each stage, seconds for one
/// picture (docs/media-models.md).

namespace canirun {

struct ImageTrial {
  Setup setup;
  Placement placement;
  MemoryEstimate memory;
  Headroom room;
  std::vector<MediaStage> stages;
  std::optional<Range> seconds;
  Grade grade;
  bool fits = false;
};

class ImageSearch {
 public:
  /// `n_pictures`: a video counts as so many images as it has latent frames.
  ImageSearch(const ImageModel& model, const ImageProgram& program, const Machine& machine, std::uint32_t n_steps,
              std::uint32_t passes, double n_pictures);

  /// The setup with the best grade, ties to the cheaper one; where nothing fits, the one that misses least.
  ImageTrial best(const PartBytes& parts) const;

 private:
  ImageTrial attempt(const Setup& s, const PartBytes& parts) const;
  std::optional<Letter> letter(const std::optional<Range>& seconds) const;
  std::optional<Range> seconds(const Setup& s, const PartBytes& parts) const;

  const ImageModel& model_;
  const ImageProgram& program_;
  const Machine& machine_;
  double n_steps_, passes_, n_pictures_;
  std::optional<std::size_t> gpu_;
};

}  // namespace canirun
