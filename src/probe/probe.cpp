#include "canirun/probe/probe.hpp"

namespace canirun {

HardwareProfile probe_machine(const ProbeOptions& /*options*/) { return {}; }

int run_probe_child(std::string_view /*source*/) { return 0; }

}  // namespace canirun
