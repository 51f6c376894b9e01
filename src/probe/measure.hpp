#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "canirun/core/hardware.hpp"

/// \file
/// `--measure`: bandwidth that is measured, and the cache that keeps it.

namespace canirun {

struct CpuBandwidth {
  double bytes_per_second = 0;
  double busy = 0;  ///< Processor time over wall time of the measuring threads: below about 0.9 other programs ran as well.
};

/// Reads memory with `threads` threads, three times 10 ms each; the median. Bytes are divided by each thread's own processor time,
/// so that other programs' load takes little away. Nothing when `available` memory is short.
std::optional<CpuBandwidth> measure_cpu_bandwidth(std::uint32_t threads, std::optional<Bytes> available);

/// What measured figures depend on: the boot, the GPUs on PCI and the drivers. The same key, the same machine in the same state.
std::string measurement_key(const HardwareProfile& profile);

/// The file that keeps them, below $XDG_CACHE_HOME or ~/.cache; empty when there is no such folder.
std::string measurement_file();

/// Puts remembered figures into `profile` where nothing better is there; returns whether the file held this machine's.
bool recall_measurements(HardwareProfile& profile, const std::string& file);

/// Remembers the measured figures of `profile`. A cache that cannot be written is no failure.
void remember_measurements(const HardwareProfile& profile, const std::string& file);

}  // namespace canirun
