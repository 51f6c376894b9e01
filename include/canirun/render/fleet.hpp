#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/fleet.hpp"
#include "canirun/core/result.hpp"
#include "canirun/render/renderer.hpp"

namespace canirun {

/// The fleet as "table", "json", "csv" or "html"; another format is an error that lists these.
Result<std::string> render_fleet(const FleetReport& report, std::string_view format, const RenderOptions& options);

/// The formats that `render_fleet` knows.
std::vector<std::string_view> fleet_format_names();

}  // namespace canirun
