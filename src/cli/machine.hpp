#pragma once

#include "canirun/core/hardware.hpp"
#include "canirun/formats/gpu_table.hpp"
#include "canirun/probe/probe.hpp"
#include "environment.hpp"
#include "options.hpp"

namespace canirun {

/// How this machine is to be examined.
ProbeOptions probe_options(const MachineOptions& options, const Environment& env);

/// The machine that is asked about: this one or a profile, completed from the GPU table, with what the options replace.
Result<HardwareProfile> machine_of(const MachineOptions& options, const Environment& env, const GpuTable& table);

}  // namespace canirun
