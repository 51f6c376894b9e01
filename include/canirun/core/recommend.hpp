#pragma once

#include <span>
#include <string>
#include <vector>

#include "canirun/core/report.hpp"

namespace canirun {

/// A model worth running on this machine, and why it is there.
struct Recommendation {
  std::size_t model = 0;  ///< Index into the reports.
  std::string reason;     ///< What it adds to those above it: "largest code with grade S", "newest so far", "phi as a choice".
};

struct RecommendOptions {
  std::string task;  ///< Only models with this task; empty = all.
  std::size_t limit = 10;
  std::size_t per_family = 2;  ///< At most so many of a family, so that the list shows choices.
  Letter least = Letter::D;    ///< Worse grades are left out.
};

/// The ranked list (docs/grading.md, "Recommendation"): better grades first, within a grade the larger model, then the newer one,
/// then by id. A family fills at most `per_family` places.
std::vector<Recommendation> recommend(std::span<const ModelReport> models, const RecommendOptions& options);

}  // namespace canirun
