#pragma once

#include <cstdint>
#include <vector>

#include "canirun/core/hardware.hpp"

/// \file
/// A machine as schedulers describe it: whole numbers, rounded so that a limit can be stated ("at least 24").

namespace canirun {

struct OperatorFacts {
  std::vector<Gpu> gpus;             ///< Without software renderers; discrete ones only, where there are any.
  std::uint64_t vram_gib = 0;        ///< Of the smallest of them: what a job may count on whichever it gets.
  std::uint64_t vram_total_gib = 0;  ///< Of all.
  bool unified = false;
  std::uint64_t ram_gib = 0;  ///< Within the cgroup's limit.
  std::uint32_t cores = 0;    ///< Usable; 0 = unknown.
};
OperatorFacts operator_facts(const HardwareProfile& hardware);

}  // namespace canirun
