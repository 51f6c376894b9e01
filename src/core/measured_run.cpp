#include "canirun/core/measured_run.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "best_quant.hpp"
#include "row.hpp"

namespace canirun {

namespace {

// llama-bench of the same file on the same machine repeats within a few per cent; other depths and thermals add to that.
constexpr double k_measured_low = 0.9, k_measured_high = 1.1;

Range measured(const Range& estimate, double factor)
{
  const auto rate = estimate.estimate * factor;
  return {rate * k_measured_low, rate, rate * k_measured_high};
}

std::string quant_of(const QuantReport& row) { return row.quant_label.value_or(std::string(name(row.quant))); }

bool apply(QuantReport& row, const MeasuredRun& run, bool speed_applies)
{
  if (!row.fits || quant_of(row) != run.quant || row.placement.mode != run.mode || !row.speed.generation_tps) return false;
  row.speed.generation_tps = measured(*row.speed.generation_tps, run.generation_factor);
  if (run.prompt_factor && row.speed.prompt_tps) {
    row.speed.prompt_tps = measured(*row.speed.prompt_tps, *run.prompt_factor);
    if (auto& first = row.speed.time_to_first_token_s) *first = measured(*first, 1 / *run.prompt_factor);
  }
  row.speed.basis = SpeedBasis::measured;
  row.grade =
      make_grade(headroom_of(row), row.speed.generation_tps->estimate, row.placement.mode != Placement::Mode::gpu, speed_applies);
  return true;
}

}  // namespace

std::string shape_key(const ModelSpec& m)
{
  return fmt::format("{} {}x{} vocab {} ff {} heads {}/{} experts {}", m.arch, m.n_layer, m.n_embd, m.n_vocab, m.n_ff(0),
                     m.n_head(0), m.n_head_kv(0), m.moe ? m.moe->n_expert : 0);
}

void apply_measured(ModelReport& report, const ModelSpec& model, std::span<const MeasuredRun> runs)
{
  if (runs.empty() || report.quants.empty()) return;
  const auto key = shape_key(model);
  bool any = false;
  for (auto& row : report.quants) {
    // The latest that tells of this row.
    any |= std::any_of(runs.rbegin(), runs.rend(), [&](const MeasuredRun& run) {
      return run.model == key && apply(row, run, model.kind == ModelKind::text);
    });
  }
  if (!any) return;
  std::vector<QuantChoice> choices;
  for (const auto& row : report.quants) choices.push_back({row.quant, row.bits_per_weight, row.grade.letter});
  report.best = best_quant(choices);
  if (report.best) report.grade = report.quants[*report.best].grade.letter;
}

}  // namespace canirun
