#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/report.hpp"
#include "canirun/core/result.hpp"

/// \file
/// How a graded row is started with each of the programs that can run it: command lines and configuration files (docs/run.md).

namespace canirun {

/// One row of a report; it fits.
struct EmitRequest {
  const Report& report;
  const ModelReport& model;
  const QuantReport& row;
};

/// The names `emit_run` knows: "llama-server", "ollama", "kubernetes" …
std::vector<std::string_view> emit_target_names();
/// The runtime that a target runs rows with; llama.cpp where it is unknown.
Runtime runtime_of_target(std::string_view target);

/// The text for one target, ending in one newline. Names that come from files are quoted as the reader of the text needs it.
/// Errors: invalid_argument, when there is no such target or it cannot run this row, with what can.
Result<std::string> emit_run(std::string_view target, const EmitRequest& request);

}  // namespace canirun
