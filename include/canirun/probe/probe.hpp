#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>

#include "canirun/core/hardware.hpp"

/// \file
/// Examines this machine. Sources → facts → merge → profile (docs/probe.md); a driver is only ever opened in a child process.

namespace canirun {

struct ProbeOptions {
  std::filesystem::path sysroot = "/";  ///< CANIRUN_SYSROOT.
  std::optional<std::chrono::milliseconds> timeout{};  ///< For the drivers, all together; 2 s, or 10 s if `deep`.
  bool no_gpu = false;
  bool deep = false;
  bool wake = false;
  bool measure = false;
};

/// Never fails: what could not be read is a note. Bandwidth and FLOPS that no driver reports are filled by `fill_from_table`
/// (formats/gpu_table.hpp) afterwards.
HardwareProfile probe_machine(const ProbeOptions& options);

/// The body of `canirun --probe-child=vulkan|nvml|drm`: writes JSON lines to stdout and returns the exit status.
int run_probe_child(std::string_view source);

}  // namespace canirun
