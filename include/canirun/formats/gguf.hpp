#pragma once

#include <filesystem>

#include "canirun/core/model.hpp"
#include "canirun/core/result.hpp"

/// \file
/// GGUF headers (v2, v3; little- and big-endian are told apart), split files, and the ModelSpec they describe. Only the header is
/// read; whatever a hostile file claims, memory stays within 64 MiB beyond the header and time within a second.

namespace canirun {

Result<ModelSpec> read_gguf(const std::filesystem::path& file);

}  // namespace canirun
