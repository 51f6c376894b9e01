#include "canirun/core/check.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "canirun/core/evaluate.hpp"

namespace canirun {

namespace {

std::string label(const QuantReport& row) { return row.quant_label.value_or(std::string(name(row.quant))); }

std::vector<FailedRequirement> failures_of(const QuantReport& row, const Requirements& asked)
{
  std::vector<FailedRequirement> failures;
  if (!row.fits && !asked.min_grade) failures.push_back({"fits", "fits", "does not fit"});
  if (asked.min_grade && row.grade.letter < *asked.min_grade) {
    failures.push_back({"min-grade", std::string(name(*asked.min_grade)),
                        fmt::format("{} (limited by {})", name(row.grade.letter), name(row.grade.limited_by))});
  }
  if (asked.min_speed) {
    const auto& speed = row.speed.generation_tps;
    if (!speed) failures.push_back({"min-speed", fmt::format("{} t/s", *asked.min_speed), "unknown (no bandwidth figure)"});
    else if (speed->estimate < *asked.min_speed) {
      failures.push_back({"min-speed", fmt::format("{} t/s", *asked.min_speed), fmt::format("{:.1f} t/s", speed->estimate)});
    }
  }
  if (asked.min_ctx && row.max_ctx.value_or(0) < *asked.min_ctx) {
    failures.push_back({"min-ctx", fmt::format("{} tokens", *asked.min_ctx), fmt::format("{} tokens", row.max_ctx.value_or(0))});
  }
  return failures;
}

/// First row of `report` that meets everything; of several the one with most bits.
const QuantReport* passing_row(const ModelReport& report, const Requirements& asked)
{
  const QuantReport* best = nullptr;
  for (const auto& row : report.quants) {
    if (failures_of(row, asked).empty() && (!best || row.bits_per_weight > best->bits_per_weight)) best = &row;
  }
  return best;
}

/// Contexts to try: halves of `n_ctx` down to 512, none below what is required.
std::vector<std::uint32_t> shorter_contexts(std::uint32_t n_ctx, const Requirements& asked)
{
  std::vector<std::uint32_t> contexts;
  for (auto n = n_ctx / 2; n >= std::max(512u, asked.min_ctx.value_or(0)); n /= 2) contexts.push_back(n);
  return contexts;
}

}  // namespace

CheckResult check(const ModelReport& model, const Requirements& requirements)
{
  CheckResult result{.model = model.id, .quant = {}, .failures = {}, .nearest = {}};
  if (model.quants.empty()) {
    result.failures.push_back({"fits", "a grade", model.notes.empty() ? "not planned" : model.notes.front()});
    return result;
  }
  if (const auto* row = passing_row(model, requirements)) {
    result.quant = label(*row);
    return result;
  }
  const auto& row = model.quants[model.best.value_or(0)];
  result.quant = label(row);
  result.failures = failures_of(row, requirements);
  return result;
}

CheckResult check(const ModelReport& model, const Requirements& requirements, const Question& question,
                  const std::function<ModelReport(const Question&)>& ask)
{
  auto result = check(model, requirements);
  if (result.passed() || model.quants.empty()) return result;

  auto other = question;
  other.quants.clear();
  other.best_only = false;
  const auto try_question = [&](const Question& q, std::string_view change) {
    const auto report = ask(q);
    const auto* row = passing_row(report, requirements);
    if (!row) return false;
    const auto quant = label(*row);
    result.nearest = quant == result.quant ? std::string(change)
                     : change.empty()      ? fmt::format("--quant {}", quant)
                                           : fmt::format("--quant {} {}", quant, change);
    return true;
  };
  if (try_question(other, "")) return result;
  auto small_cache = other;
  small_cache.workload.cache_type_k = small_cache.workload.cache_type_v = TensorType::q8_0;
  if (try_question(small_cache, "-ctk q8_0 -ctv q8_0")) return result;
  for (const auto n_ctx : shorter_contexts(model.n_ctx, requirements)) {
    auto shorter = other;
    shorter.workload.n_ctx = n_ctx;
    if (try_question(shorter, fmt::format("--ctx {}", n_ctx))) return result;
  }
  return result;
}

}  // namespace canirun
