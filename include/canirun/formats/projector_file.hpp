#pragma once

#include <filesystem>

#include "canirun/core/projector.hpp"
#include "canirun/core/result.hpp"

namespace canirun {

/// The tensor table of a GGUF file whose architecture is "clip" (--mmproj). Errors: as read_gguf; parse when it is another kind of file.
Result<Projector> read_projector(const std::filesystem::path& file);

}  // namespace canirun
