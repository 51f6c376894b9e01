#pragma once

#include <cmath>
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <string>

#include "canirun/core/report.hpp"
#include "canirun/core/tensor_plan.hpp"

/// \file
/// What holds for every report, whatever the model, the machine and the options. Tests of the whole catalogue and fuzz targets ask
/// for the first law that is broken.

namespace canirun {

/// Far above every machine, far below where 64 bits end: a sum beyond it has overflowed or is about to.
inline constexpr std::uint64_t k_no_machine_has = std::uint64_t{1} << 62;

/// The sum of a plan in 128 bits is the one in 64, and no machine's memory is exceeded by its size alone.
inline std::optional<std::string> broken_law(const TensorPlan& plan)
{
  __extension__ using Wide = unsigned __int128;
  Wide bytes = 0, elements = 0;
  for (const auto& t : plan.tensors) {
    const auto rows = Wide{t.ne[1]} * t.ne[2] * t.ne[3];
    elements += rows * t.ne[0];
    bytes += rows * row_size(t.type, t.ne[0]).count;
  }
  if (bytes >= k_no_machine_has || elements >= k_no_machine_has) return "the plan is larger than any machine";
  if (plan.total_bytes().count != bytes || plan.n_params() != elements) return "the plan's sums overflow";
  return std::nullopt;
}

inline std::optional<std::string> broken_law(const char* what, const std::optional<Range>& r)
{
  if (!r) return std::nullopt;
  if (!std::isfinite(r->low) || !std::isfinite(r->estimate) || !std::isfinite(r->high))
    return fmt::format("{} is not finite: {} {} {}", what, r->low, r->estimate, r->high);
  if (r->low < 0 || r->low > r->estimate || r->estimate > r->high)
    return fmt::format("{} is no range: {} {} {}", what, r->low, r->estimate, r->high);
  return std::nullopt;
}

inline std::optional<std::string> broken_law(const MemoryParts& parts)
{
  __extension__ using Wide = unsigned __int128;
  Wide sum = 0;
  for (const auto part : {parts.weights, parts.kv_cache, parts.recurrent_state, parts.compute, parts.output, parts.projector,
                          parts.runtime_overhead})
    sum += part.count;
  if (sum >= k_no_machine_has) return "a device needs more than any machine has";
  return std::nullopt;
}

inline std::optional<std::string> broken_law(const QuantReport& row)
{
  MemoryParts sum;
  bool room_everywhere = true;
  for (const auto& d : row.devices) {
    if (auto law = broken_law(d.parts)) return fmt::format("{}: {}", d.device, *law);
    sum += d.parts;
    room_everywhere = room_everywhere && d.headroom_bytes() >= 0;
  }
  if (!(sum == row.memory)) return "memory is not the sum of the devices";
  if (row.fits != room_everywhere) return fmt::format("fits is {} but headroom says {}", row.fits, room_everywhere);
  if (row.fits != (row.grade.memory != Letter::F)) return "an F of memory is what does not fit";
  if (row.grade.letter > row.grade.memory) return "the grade is better than its letter of memory";
  if (row.fits == row.command.empty()) return "a command is given exactly for what fits";
  if (!std::isfinite(row.bits_per_weight.value) || row.bits_per_weight.value < 0) return "bits per weight are no number";
  if (auto law = broken_law("generation", row.speed.generation_tps)) return law;
  if (auto law = broken_law("prompt", row.speed.prompt_tps)) return law;
  return broken_law("time to first token", row.speed.time_to_first_token_s);
}

inline std::optional<std::string> broken_law(const ModelReport& model)
{
  for (const auto& row : model.quants) {
    if (auto law = broken_law(row)) return fmt::format("{} {}: {}", model.id, name(row.quant), *law);
    if (row.max_ctx && *row.max_ctx > model.n_ctx_train && *row.max_ctx > model.n_ctx)
      return fmt::format("{}: max_ctx {} is beyond what it was trained on", model.id, *row.max_ctx);
  }
  if (model.best && *model.best >= model.quants.size()) return "the best row does not exist";
  if (model.best.has_value() != model.grade.has_value()) return "a grade is that of the best row";
  if (model.best && model.quants[*model.best].grade.letter != *model.grade) return "the grade is not the best row's";
  return std::nullopt;
}

}  // namespace canirun
