#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "canirun/core/checkpoint.hpp"
#include "canirun/core/media_run.hpp"
#include "canirun/core/model.hpp"
#include "canirun/core/placement.hpp"
#include "media/image_program.hpp"

/// \file
/// Hugging Face diffusers: which pipelines it has, in which type they are published, the Python that runs one (docs/diffusers.md).

namespace canirun {

/// Side of the decoder's tiles in pixels, as the commands state it.
inline constexpr std::uint32_t k_diffusers_image_tile = 512;

/// True where diffusers has a pipeline for the model's architecture.
bool diffusers_runs(const ModelSpec& model);
/// The 16 bits that an architecture is published and documented in.
CheckpointType diffusers_type(std::string_view arch);
/// True where both passes of classifier-free guidance are one batch.
bool diffusers_batches(std::string_view arch);
/// True where the text can be encoded on its own, so that its encoders may stay on the CPU.
bool diffusers_encodes_apart(std::string_view arch);

/// True where the pipeline gets parts from other repositories, so that it comes together in RAM.
bool diffusers_assembles(std::string_view arch);

/// One shell line with the Python that runs the model as it was graded; "" where no pipeline does or `repository` is empty: the one with
/// the weights in the pipeline's format.
std::string diffusers_command(const ModelSpec& model, std::string_view repository, CheckpointType type, const Setup& setup,
                              const MediaRun& run, Backend backend);

}  // namespace canirun
