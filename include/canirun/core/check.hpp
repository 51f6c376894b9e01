#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "canirun/core/grade.hpp"

/// \file
/// The CI gate: what was asked of a model, what was found, and the nearest change that would pass (docs/ci.md).

namespace canirun {

struct ModelReport;
struct Question;

/// What a run must reach. Nothing stated = it must fit.
struct Requirements {
  std::optional<Letter> min_grade;
  std::optional<double> min_speed;       ///< Generated tokens a second, central value.
  std::optional<std::uint32_t> min_ctx;  ///< Largest context that fits.

  bool any() const { return min_grade || min_speed || min_ctx; }
};

struct FailedRequirement {
  std::string requirement;  ///< "min-grade", "min-speed", "min-ctx" or "fits".
  std::string asked;
  std::string found;
  std::string best;  ///< What any setting reaches at most, and that setting; empty = not searched, or no better than `found`.
};

/// The verdict over one model: of the rows that were asked for, the first that meets everything, else the best one.
struct CheckResult {
  std::string model;
  std::string quant;  ///< Empty where there is no row.
  std::vector<FailedRequirement> failures;
  std::string nearest;  ///< A change that would pass, in words; empty = none was found or none is needed.

  bool passed() const { return failures.empty(); }
};

/// What `model` lacks. Pure.
CheckResult check(const ModelReport& model, const Requirements& requirements);

/// The same, and the nearest change: another file type, a smaller cache type, a shorter context. `ask` evaluates the model again.
CheckResult check(const ModelReport& model, const Requirements& requirements, const Question& question,
                  const std::function<ModelReport(const Question&)>& ask);

}  // namespace canirun
