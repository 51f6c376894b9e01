#pragma once

#include <string_view>

#include "canirun/core/hardware.hpp"
#include "canirun/core/result.hpp"

/// \file
/// canirun.hardware/1: a machine as a file. `parse_profile(to_json(p).dump(), "…") == p`.

namespace canirun {

/// `file` names the input in messages; unknown fields are ignored, wrong types are errors with the field's path.
Result<HardwareProfile> parse_profile(std::string_view json, std::string_view file);

}  // namespace canirun
