#pragma once

#include <optional>
#include <string>
#include <vector>

#include "probe/facts.hpp"
#include "probe/sysroot.hpp"

namespace canirun {

/// Folders of the cgroups this process is in, its own first and the top last, for one v1 controller ("memory", "cpu") or for
/// version 2 (""). Empty when that hierarchy is not mounted.
std::vector<std::string> cgroup_folders(const Sysroot& sys, const std::string& controller);

/// Memory limits of all ancestors, versions 1 and 2.
std::vector<MemoryLimit> cgroup_memory_limits(const Sysroot& sys, Facts& facts);

/// The smallest quota of processor time over all ancestors, in CPUs (1.5 = one and a half); empty = none.
std::optional<double> cgroup_cpu_quota(const Sysroot& sys, Facts& facts);

}  // namespace canirun
