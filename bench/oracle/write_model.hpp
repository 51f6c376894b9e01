#pragma once

#include <filesystem>

#include "canirun/core/model.hpp"
#include "canirun/core/tensor_plan.hpp"

namespace canirun {

/// Writes a GGUF v3 file with the hyper-parameters and the tensor table of a model, and a hole where the weights would be: llama.cpp
/// plans its memory as for the real file, and the file takes a few hundred KiB of disk.
void write_model(const ModelSpec& model, const TensorPlan& plan, const std::filesystem::path& file);

}  // namespace canirun
