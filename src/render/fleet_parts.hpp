#pragma once

#include <string>
#include <vector>

#include "canirun/core/fleet.hpp"
#include "canirun/render/renderer.hpp"

/// \file
/// What the renderers of a fleet share.

namespace canirun {

/// "c1": the place of a class in the fleet; what its id stands for in text.
std::string class_label(std::size_t index);
/// "c1, c2 and c4".
std::string class_list(const std::vector<std::size_t>& classes);
/// Machines of the classes that run the model.
std::uint64_t machines_that_run(const Fleet& fleet, const FleetModel& model);
/// "gpu" as people read it: "GPU", "GPU + RAM", "CPU", "does not fit".
std::string_view mode_text(const FleetCell& cell);
/// "12 machines".
std::string machines_text(std::uint64_t n);

/// The answers, a sentence each: who runs what, the best upgrades, the smallest set of classes, what two versions differ in.
std::vector<std::string> answer_sentences(const FleetReport& report);

std::string render_fleet_table(const FleetReport& report, const RenderOptions& options);
std::string render_fleet_json(const FleetReport& report, const RenderOptions& options);
std::string render_fleet_csv(const FleetReport& report, const RenderOptions& options);
std::string render_fleet_html(const FleetReport& report, const RenderOptions& options);

}  // namespace canirun
