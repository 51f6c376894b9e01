#pragma once

#include <optional>
#include <string_view>

#include "canirun/core/hardware.hpp"
#include "canirun/core/placement.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/core/workload.hpp"

namespace canirun {

struct Range {
  double low = 0, estimate = 0, high = 0;
};

enum class SpeedLimit { memory_bandwidth, compute, launch, transfer };
enum class SpeedBasis { table, measured, assumed };

/// Text generation and prompt processing in tokens a second, time to first token in seconds. Empty where bandwidth is unknown.
struct SpeedEstimate {
  std::optional<Range> generation_tps;
  std::optional<Range> prompt_tps;
  std::optional<Range> time_to_first_token_s;
  SpeedLimit limited_by = SpeedLimit::memory_bandwidth;
  SpeedBasis basis = SpeedBasis::table;
};

/// t_token = Σ over devices of bytes/(e_bw·BW) + flops/(e_c·FLOPS) + t0. Source and constants: docs/speed-model.md.
SpeedEstimate estimate_speed(const ModelSpec& model, const TensorPlan& plan, const Workload& workload, const Placement& placement,
                             const HardwareProfile& hardware);

std::string_view name(SpeedLimit limit);
std::string_view name(SpeedBasis basis);

}  // namespace canirun
