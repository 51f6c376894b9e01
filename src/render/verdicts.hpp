#pragma once

#include <fmt/format.h>
#include <vector>

#include "canirun/core/report.hpp"

namespace canirun {

/// The verdicts of a report for CI: those of `check`, or whether each model fits when nothing was required.
inline std::vector<CheckResult> verdicts(const Report& report)
{
  if (!report.checks.empty()) return report.checks;
  std::vector<CheckResult> all;
  for (const auto& model : report.models) all.push_back(check(model, {}));
  return all;
}

/// "min-grade asked B, found D (limited by memory)".
inline std::string sentence(const FailedRequirement& f)
{
  return fmt::format("{} asked {}, found {}", f.requirement, f.asked, f.found);
}

inline std::string subject(const CheckResult& c) { return c.quant.empty() ? c.model : c.model + " " + c.quant; }

}  // namespace canirun
