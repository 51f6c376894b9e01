#pragma once

#include <vector>

#include "canirun/core/plan.hpp"
#include "canirun/formats/gpu_table.hpp"

namespace canirun {

/// Every card of the table at each memory size it is sold with. Boards of several dies are left out: the table has the sizes and
/// rates of the board, a machine sees its dies.
std::vector<PlanCard> plan_cards(const GpuTable& table);

}  // namespace canirun
