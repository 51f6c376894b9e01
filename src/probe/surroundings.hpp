#pragma once

#include <span>
#include <vector>

#include "probe/facts.hpp"
#include "probe/sysroot.hpp"

/// \file
/// What around the drivers decides whether they can be asked and what programs will see: variables, device nodes, permissions.

namespace canirun {

/// Did the user name a driver? Then the children start wherever the device nodes are.
bool drivers_named();

/// Is there a device node that a GPU driver made?
bool has_device_node(const Sysroot& sys);

/// Variables that choose drivers and devices, nodes and what this user may do with them, and Vulkan's driver manifests: for `doctor`.
void read_surroundings(const Sysroot& sys, std::vector<ProbeReading>& readings);

/// Settings that make a runtime see fewer devices than the probe does, and a user who may not open the device nodes.
void note_surroundings(const Sysroot& sys, std::vector<HardwareNote>& notes);

/// A container shows the host's /sys but only the device nodes it was given.
void note_missing_nodes(const Sysroot& sys, std::span<const Facts> facts, std::vector<HardwareNote>& notes);

}  // namespace canirun
