#pragma once

#include <string>

#include "canirun/core/media_run.hpp"
#include "canirun/core/model.hpp"
#include "canirun/core/tensor_type.hpp"

namespace canirun {

/// True where stable-diffusion.cpp has the denoiser and the text encoders of the model.
bool sd_runs(const ModelSpec& model);

/// The line that runs the model as it was graded, "" where the program does not run it. Each part has a file of its own, named after
/// the part; the UNets come as one checkpoint.
std::string sd_command(const ModelSpec& model, TensorType type, const MediaRun& run, bool guided);

}  // namespace canirun
