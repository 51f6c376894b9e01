#include "canirun/core/check.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "canirun/core/evaluate.hpp"

namespace canirun {

namespace {

std::string label(const QuantReport& row) { return row.quant_label.value_or(std::string(name(row.quant))); }

/// What is missing on the device that lacks most.
std::string shortfall(const QuantReport& row)
{
  std::int64_t least = 0;
  std::string device;
  for (const auto& d : row.devices) {
    if (d.headroom_bytes() < least) least = d.headroom_bytes(), device = d.device;
  }
  if (least == 0) return "does not fit";
  return fmt::format("does not fit, {} lacks {:.1f} GiB", device == "host" ? "RAM" : device, static_cast<double>(-least) / 0x1p30);
}

std::vector<FailedRequirement> failures_of(const QuantReport& row, const Requirements& asked, std::uint32_t n_ctx_train)
{
  std::vector<FailedRequirement> failures;
  if (row.fits && !row.caches_known) failures.push_back({"fits", "to fit", "unknown: the architecture is not known", {}});
  if (!row.fits && !asked.min_grade) failures.push_back({"fits", "to fit", shortfall(row), {}});
  if (asked.min_grade && row.grade.letter < *asked.min_grade) {
    failures.push_back({"min-grade", std::string(name(*asked.min_grade)),
                        fmt::format("{} (limited by {})", name(row.grade.letter), name(row.grade.limited_by)), {}});
  }
  if (asked.min_speed) {
    const auto& speed = row.speed.generation_tps;
    if (row.media) failures.push_back({"min-speed", fmt::format("{} t/s", *asked.min_speed), "not a text model", {}});
    else if (!speed) failures.push_back({"min-speed", fmt::format("{} t/s", *asked.min_speed), "unknown (no bandwidth figure)", {}});
    else if (speed->estimate < *asked.min_speed) {
      failures.push_back({"min-speed", fmt::format("{} t/s", *asked.min_speed), fmt::format("{:.1f} t/s", speed->estimate), {}});
    }
  }
  if (asked.min_ctx && row.max_ctx.value_or(0) < *asked.min_ctx) {
    failures.push_back({"min-ctx", fmt::format("{} tokens", *asked.min_ctx), fmt::format("{} tokens{}", row.max_ctx.value_or(0), row.max_ctx == n_ctx_train ? ", as trained" : ""), {}});
  }
  return failures;
}

/// First row of `report` that meets everything; of several the one with most bits.
const QuantReport* passing_row(const ModelReport& report, const Requirements& asked)
{
  const QuantReport* best = nullptr;
  for (const auto& row : report.quants) {
    if (failures_of(row, asked, report.n_ctx_train).empty() && (!best || row.bits_per_weight > best->bits_per_weight)) best = &row;
  }
  return best;
}

/// Another way to run the model, and the flags that say so.
struct Change {
  Question question;
  std::string flags;
};

/// What to try, nearest first: another file type, a smaller cache, half of the context down to 512 tokens, none below what is required.
std::vector<Change> changes_of(const Question& question, std::uint32_t n_ctx, const Requirements& asked)
{
  auto other = question;
  other.quants.clear();
  other.best_only = false;
  std::vector<Change> changes{{other, ""}};
  auto small_cache = other;
  small_cache.workload.cache_type_k = small_cache.workload.cache_type_v = TensorType::q8_0;
  changes.push_back({small_cache, "-ctk q8_0 -ctv q8_0"});
  for (auto n = n_ctx / 2; n >= std::max(512u, asked.min_ctx.value_or(0)); n /= 2) {
    other.workload.n_ctx = n;
    changes.push_back({other, fmt::format("--ctx {}", n)});
  }
  return changes;
}

/// The flags of `change` and of the row's file type, where it is not the one that was checked.
std::string flags_of(const Change& change, const QuantReport& row, const std::string& checked)
{
  const auto quant = label(row);
  if (quant == checked) return change.flags;
  return change.flags.empty() ? fmt::format("--quant {}", quant) : fmt::format("--quant {} {}", quant, change.flags);
}

/// How far a row gets towards one requirement, in its own unit.
double reached(const QuantReport& row, std::string_view requirement)
{
  if (requirement == "min-grade") return static_cast<double>(row.grade.letter);
  if (requirement == "min-speed") return row.speed.generation_tps ? row.speed.generation_tps->estimate : 0;
  if (requirement == "min-ctx") return row.max_ctx.value_or(0);
  return row.fits ? 1 : 0;
}

std::string reached_text(const QuantReport& row, std::string_view requirement)
{
  if (requirement == "min-grade") return std::string(name(row.grade.letter));
  if (requirement == "min-speed") return fmt::format("{:.1f} t/s", row.speed.generation_tps->estimate);
  if (requirement == "min-ctx") return fmt::format("{} tokens", *row.max_ctx);
  return "fits";
}

/// Keeps for each failure the most that a row of `rows` reaches.
void keep_best(std::vector<FailedRequirement>& failures, std::vector<double>& best, const Change& change,
               const std::vector<QuantReport>& rows, const std::string& checked)
{
  for (std::size_t i = 0; i < failures.size(); ++i) {
    for (const auto& row : rows) {
      const auto value = reached(row, failures[i].requirement);
      if (value <= best[i]) continue;
      best[i] = value;
      failures[i].best = fmt::format("{} with {}", reached_text(row, failures[i].requirement), flags_of(change, row, checked));
    }
  }
}

}  // namespace

CheckResult check(const ModelReport& model, const Requirements& requirements)
{
  CheckResult result{.model = model.id, .quant = {}, .failures = {}, .nearest = {}};
  if (model.quants.empty()) {
    result.failures.push_back({"fits", "a grade", model.notes.empty() ? "not planned" : model.notes.front(), {}});
    return result;
  }
  if (const auto* row = passing_row(model, requirements)) {
    result.quant = label(*row);
    return result;
  }
  const auto& row = model.quants[model.best.value_or(0)];
  result.quant = label(row);
  result.failures = failures_of(row, requirements, model.n_ctx_train);
  return result;
}

CheckResult check(const ModelReport& model, const Requirements& requirements, const Question& question,
                  const std::function<ModelReport(const Question&)>& ask)
{
  auto result = check(model, requirements);
  if (result.passed() || model.quants.empty()) return result;

  std::vector<double> best;
  for (const auto& f : result.failures) best.push_back(reached(model.quants[model.best.value_or(0)], f.requirement));
  for (const auto& change : changes_of(question, model.n_ctx, requirements)) {
    const auto report = ask(change.question);
    if (const auto* row = passing_row(report, requirements)) {
      result.nearest = flags_of(change, *row, result.quant);
      return result;
    }
    keep_best(result.failures, best, change, report.quants, result.quant);
  }
  return result;
}

}  // namespace canirun
