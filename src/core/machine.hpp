#pragma once

#include <vector>

#include "canirun/core/evaluate.hpp"

/// \file
/// A machine as the placement search sees it: which GPUs llama.cpp would use, and how much each device may give.

namespace canirun {

struct Machine {
  const HardwareProfile* hardware = nullptr;
  Backend backend = Backend::cpu;  ///< Of `gpus`; cpu when there is none.
  std::vector<std::size_t> gpus;   ///< Indices into hardware->gpus of those a run may use, in their order.
  std::size_t gpus_beyond = 0;     ///< GPUs that one run could not use: there are too many.
  std::vector<Bytes> gpu_budget;   ///< One for each of hardware->gpus.
  std::vector<Bytes> gpu_own;      ///< Memory of each that RAM does not share (own_memory).
  Bytes host_budget;
};

/// llama.cpp uses one backend at a time here, and integrated GPUs only where there is no other (llama.cpp:
/// llama_model_load_from_file_impl).
Machine examine(const HardwareProfile& hardware, const Question& question);

/// What a run leaves free. `share` is the smallest (budget − need) / budget over the devices used; below 0 it does not fit.
struct Headroom {
  double share = 0;
  double gpu_share = 0;  ///< The same over the GPUs alone; 1 when none is used.
  Bytes host_budget;     ///< What is left of the host's budget after unified GPUs took their part of the pool.
};
Headroom headroom(const Machine& machine, const Placement& placement, const MemoryEstimate& memory);

}  // namespace canirun
