#pragma once

#include <filesystem>

#include "canirun/core/model.hpp"
#include "canirun/core/result.hpp"

namespace canirun {

/// A Hugging Face config.json (or a directory with one, and model.safetensors.index.json if it is there) as a ModelSpec.
/// Errors: parse with file and key, for fields that are missing or contradict each other.
Result<ModelSpec> read_config_json(const std::filesystem::path& path);

}  // namespace canirun
