#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/hardware.hpp"
#include "canirun/probe/probe.hpp"

/// \file
/// What `canirun doctor` shows: every raw reading, every decision and its reason, fit to paste into an issue. It holds no serial
/// numbers and no host names: identifiers are cut to their first digits, the home folder is written "~" and the host's name "(host)".

namespace canirun {

/// One raw reading as its source gave it.
struct ProbeReading {
  std::string source;   ///< "vulkan", "sysfs", "cgroup" …
  std::string subject;  ///< A device's address, a cgroup, or empty for the machine.
  std::string key;      ///< "memory heap 0", "MemTotal".
  std::string value;
};

/// One decision of the merge.
struct ProbeDecision {
  std::string subject;  ///< "gpu0 0000:01:00.0", "memory".
  std::string what;     ///< "memory_total".
  std::string chosen;
  std::string reason;
};

struct ProbeTiming {
  std::string source;
  double milliseconds = 0;
};

struct ProbeTrace {
  HardwareProfile profile;
  std::vector<ProbeReading> readings;
  std::vector<ProbeDecision> decisions;
  std::vector<ProbeTiming> timings;
};

/// `probe_machine` that keeps what it read. Never fails.
ProbeTrace trace_probe(const ProbeOptions& options);

/// The trace as text with one fact a line, ending in one newline.
std::string doctor_text(const ProbeTrace& trace, std::string_view version);

/// canirun.doctor/1 (docs/schema/doctor-1.json): {"schema", "canirun", "hardware", "readings", "decisions", "timings_ms"}.
nlohmann::ordered_json doctor_json(const ProbeTrace& trace, std::string_view version);

}  // namespace canirun
