#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "canirun/core/fleet.hpp"
#include "canirun/formats/gpu_table.hpp"

namespace canirun {

struct Intake {
  std::uint64_t read = 0;
  std::uint64_t refused = 0;  ///< Each was named on stderr.
};

/// Reads profiles into `folder`: files, folders (all their *.json, *.ndjson and *.jsonl, to any depth) and "-" for stdin. Files and
/// stdin may hold many profiles. What is broken, foreign or of a newer schema is named on stderr and never stops the rest.
Intake read_profiles(std::span<const std::string> words, const GpuTable& table, ClassFolder& folder);

}  // namespace canirun
