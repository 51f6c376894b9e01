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

/// "min-grade asked B, found D (limited by memory)", or why it does not fit.
inline std::string sentence(const FailedRequirement& f)
{
  if (f.requirement == "fits") return f.found;
  return fmt::format("{} asked {}, found {}", f.requirement, f.asked, f.found);
}

/// "llama-2-7b Q4_K_M".
inline std::string subject(const CheckResult& c) { return c.quant.empty() ? c.model : c.model + " " + c.quant; }

/// The same with the machine before it, where there are several: "laptop: llama-2-7b Q4_K_M".
inline std::string subject(const Report& report, const CheckResult& c)
{
  return report.machine.empty() ? subject(c) : report.machine + ": " + subject(c);
}

/// "would pass: --quant Q4_K_M", or what comes closest where no setting passes.
inline std::string advice(const CheckResult& c, const FailedRequirement& f)
{
  if (!c.nearest.empty()) return "would pass: " + c.nearest;
  return (f.best.empty() ? "no setting passes" : "no setting passes, closest: " + f.best) +
         fmt::format("; `canirun plan {}` says which hardware would", c.model);
}

}  // namespace canirun
