#pragma once

#include <optional>
#include <string>
#include <vector>

#include "canirun/core/report.hpp"
#include "canirun/render/renderer.hpp"
#include "verify/llama_output.hpp"

/// \file
/// Estimate beside measurement, part by part (canirun.verify/1).

namespace canirun {

/// One program of llama.cpp and what became of it.
struct ProgramReport {
  std::string name;
  std::string path;    ///< Empty = not found.
  std::string status;  ///< "done", "missing", "not executable", "failed", "skipped".
  std::string detail;  ///< Why, in words; empty for "done".
};

struct Verification {
  std::string model, quant, command;
  std::uint32_t n_ctx = 0, depth = 0;
  QuantReport row;             ///< The estimate.
  std::vector<FitRow> memory;  ///< In the order of row.devices; empty = not measured.
  std::optional<BenchResult> bench;
  std::vector<Gpu> gpus;                           ///< What canirun found here …
  std::optional<std::vector<SeenDevice>> devices;  ///< … and what llama.cpp did; nothing = not asked.
  std::vector<ProgramReport> programs;
  std::string saved;  ///< File that keeps the result; empty = none.

  bool any() const { return !memory.empty() || bench || devices; }
  /// The GPU that is the i-th device, where both lists are as long.
  const Gpu* gpu_of(std::size_t i) const { return devices && devices->size() == gpus.size() ? &gpus[i] : nullptr; }
};

std::string verification_text(const Verification& v, const RenderOptions& options);
std::string verification_json(const Verification& v);

}  // namespace canirun
