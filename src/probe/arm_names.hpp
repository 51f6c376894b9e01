#pragma once

#include <string>
#include <string_view>

namespace canirun {

/// The name of an ARM processor by the numbers of /proc/cpuinfo ("CPU implementer", "CPU part"), which names none: "Neoverse-N1",
/// "Cortex-X925 and Cortex-A725" where kinds differ. Empty when none is known.
std::string arm_name(std::string_view cpuinfo);

}  // namespace canirun
