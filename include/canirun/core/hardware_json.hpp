#pragma once

#include <nlohmann/json_fwd.hpp>

#include "canirun/core/hardware.hpp"

namespace canirun {

/// canirun.hardware/1 with fixed key order; unknown figures are null. `parse_profile` (formats/profile.hpp) reads it back.
nlohmann::ordered_json to_json(const HardwareProfile& profile);

}  // namespace canirun
