#include <algorithm>
#include <bit>
#include <fmt/format.h>

#include "canirun/core/fleet.hpp"
#include "canirun/core/tensor_plan.hpp"

namespace canirun {

namespace {

// All sets of so many classes are tried: 2^20 in some milliseconds.
constexpr std::size_t k_most_for_exact = 20;

/// Models that a class runs, one bit each.
using Bits = std::vector<std::uint64_t>;

bool covers(const Bits& a, const Bits& b)
{
  for (std::size_t i = 0; i < a.size(); ++i) {
    if ((b[i] & ~a[i]) != 0) return false;
  }
  return true;
}

std::size_t count_new(const Bits& covered, const Bits& more)
{
  std::size_t n = 0;
  for (std::size_t i = 0; i < more.size(); ++i) n += static_cast<std::size_t>(std::popcount(more[i] & ~covered[i]));
  return n;
}

void add(Bits& to, const Bits& more)
{
  for (std::size_t i = 0; i < to.size(); ++i) to[i] |= more[i];
}

/// The fewest of `sets` whose union is `all`; of equally many the first in their order. Depth by depth, each set used at most once.
bool choose(const std::vector<Bits>& sets, const Bits& all, const Bits& covered, std::size_t from, std::size_t left, std::vector<std::size_t>& chosen)
{
  if (covers(covered, all)) return true;
  if (left == 0) return false;
  for (auto i = from; i < sets.size(); ++i) {
    if (count_new(covered, sets[i]) == 0) continue;
    auto next = covered;
    add(next, sets[i]);
    chosen.push_back(i);
    if (choose(sets, all, next, i + 1, left - 1, chosen)) return true;
    chosen.pop_back();
  }
  return false;
}

std::vector<std::size_t> greedy(const std::vector<Bits>& sets, const Bits& all)
{
  std::vector<std::size_t> chosen;
  Bits covered(all.size());
  while (!covers(covered, all)) {
    std::size_t best = 0, most = 0;
    for (std::size_t i = 0; i < sets.size(); ++i) {
      if (const auto n = count_new(covered, sets[i]); n > most) best = i, most = n;
    }
    add(covered, sets[best]);
    chosen.push_back(best);
  }
  std::ranges::sort(chosen);
  return chosen;
}

std::string billions(std::uint64_t n) { return fmt::format("{:.2f} B", static_cast<double>(n) / 1e9); }

/// One row on a machine with room for everything: what the model needs wherever it runs.
std::optional<QuantReport> needs_of(const ModelSpec& model, const ModelFacts& facts, const Question& question)
{
  HardwareProfile roomy;
  roomy.memory.total = Bytes{std::uint64_t{64} << 40};
  auto q = question;
  q.quants = {FileType::Q4_K_M};
  q.placement = {};
  auto report = evaluate(model, facts, roomy, q);
  if (!report.best) return std::nullopt;
  return std::move(report.quants[*report.best]);
}

}  // namespace

Cover smallest_cover(const Fleet& fleet)
{
  Cover cover;
  Bits all((fleet.models.size() + 63) / 64);
  std::vector<Bits> runs(fleet.classes.size(), all);
  for (std::size_t m = 0; m < fleet.models.size(); ++m) {
    bool anywhere = false;
    for (std::size_t c = 0; c < fleet.classes.size(); ++c) {
      if (!fleet.runs(fleet.models[m].cells[c])) continue;
      anywhere = true;
      runs[c][m / 64] |= std::uint64_t{1} << (m % 64);
    }
    if (anywhere) all[m / 64] |= std::uint64_t{1} << (m % 64);
    else cover.uncovered.push_back(m);
  }
  // A class that runs no more than another is never needed; of equal ones the first (the one with most machines) stays.
  std::vector<std::size_t> useful;
  for (std::size_t c = 0; c < runs.size(); ++c) {
    bool needed = count_new(Bits(all.size()), runs[c]) > 0;
    for (std::size_t d = 0; d < runs.size() && needed; ++d) {
      if (d != c && covers(runs[d], runs[c]) && (!covers(runs[c], runs[d]) || d < c)) needed = false;
    }
    if (needed) useful.push_back(c);
  }
  std::vector<Bits> sets;
  sets.reserve(useful.size());
  for (const auto c : useful) sets.push_back(runs[c]);
  std::vector<std::size_t> chosen;
  cover.exact = sets.size() <= k_most_for_exact;
  if (!cover.exact) {
    chosen = greedy(sets, all);
  } else {
    for (std::size_t n = 0; n <= sets.size() && !choose(sets, all, Bits(all.size()), 0, n, chosen); ++n) {
    }
  }
  for (const auto i : chosen) cover.classes.push_back(useful[i]);
  return cover;
}

std::vector<UpgradeEffect> upgrade_effects(const Fleet& fleet)
{
  std::vector<UpgradeEffect> effects;
  for (std::size_t u = 0; u < fleet.upgrades.size(); ++u) {
    UpgradeEffect effect;
    effect.upgrade = u;
    for (std::size_t c = 0; c < fleet.classes.size(); ++c) {
      const auto column = fleet.upgraded_columns[u][c];
      if (!column) continue;
      // A card in place of a better one is no upgrade: what ran must still run.
      std::uint64_t more = 0;
      bool less = false;
      for (const auto& model : fleet.models) {
        const bool now = fleet.runs(model.cells[c]), then = fleet.runs(model.cells[*column]);
        more += !now && then;
        less = less || (now && !then);
      }
      if (more == 0 || less) continue;
      effect.machines += fleet.classes[c].machines;
      effect.more += more * fleet.classes[c].machines;
      effect.classes.push_back(c);
    }
    if (effect.machines > 0) effects.push_back(std::move(effect));
  }
  std::ranges::stable_sort(effects, std::ranges::greater{}, [](const UpgradeEffect& e) { return std::pair(e.machines, e.more); });
  return effects;
}

void compare_on_fleet(const Fleet& fleet, Comparison& comparison)
{
  for (std::size_t c = 0; c < fleet.classes.size(); ++c) {
    const bool a = fleet.runs(fleet.models[comparison.a].cells[c]), b = fleet.runs(fleet.models[comparison.b].cells[c]);
    if (a == b) continue;
    (a ? comparison.lost : comparison.gained).push_back(c);
    (a ? comparison.machines_lost : comparison.machines_gained) += fleet.classes[c].machines;
  }
}

void answer_fleet(FleetReport& report)
{
  report.cover = smallest_cover(report.fleet);
  report.upgrades = upgrade_effects(report.fleet);
  if (report.comparison) compare_on_fleet(report.fleet, *report.comparison);
}

std::vector<VersionDifference> version_differences(const ModelSpec& a, const ModelFacts& facts_a, const ModelSpec& b,
                                                   const ModelFacts& facts_b, const Question& question)
{
  std::vector<VersionDifference> out;
  const auto differ = [&](std::string what, std::string va, std::string vb) {
    if (va != vb) out.push_back({std::move(what), std::move(va), std::move(vb)});
  };
  const auto active = [](const ModelSpec& m) { return m.n_params_active > 0 ? m.n_params_active : m.n_params; };
  const auto experts = [](const ModelSpec& m) {
    return m.moe && m.moe->n_expert > 0 ? fmt::format("{} of {}", m.moe->n_expert_used, m.moe->n_expert) : std::string("none");
  };
  differ("parameters", billions(a.n_params), billions(b.n_params));
  differ("parameters read per token", billions(active(a)), billions(active(b)));
  differ("architecture", a.arch, b.arch);
  differ("layers", std::to_string(a.n_layer), std::to_string(b.n_layer));
  differ("embedding width", std::to_string(a.n_embd), std::to_string(b.n_embd));
  differ("vocabulary", std::to_string(a.n_vocab), std::to_string(b.n_vocab));
  differ("experts used", experts(a), experts(b));
  differ("trained context", std::to_string(a.n_ctx_train), std::to_string(b.n_ctx_train));
  differ("release", facts_a.release, facts_b.release);
  differ("license", facts_a.license, facts_b.license);
  const auto row_a = needs_of(a, facts_a, question), row_b = needs_of(b, facts_b, question);
  if (!row_a || !row_b) return out;
  const auto gib = [](Bytes bytes) { return fmt::format("{:.2f} GiB", to_gib(bytes).value); };
  const auto ctx_a = resolve(question.workload, a).n_ctx, ctx_b = resolve(question.workload, b).n_ctx;
  const auto at = ctx_a == ctx_b ? fmt::format(" at {} tokens", ctx_a) : fmt::format(" at {} and {} tokens", ctx_a, ctx_b);
  differ("weights, Q4_K_M", gib(row_a->memory.weights), gib(row_b->memory.weights));
  differ("cache" + at, gib(row_a->memory.kv_cache + row_a->memory.recurrent_state), gib(row_b->memory.kv_cache + row_b->memory.recurrent_state));
  differ("memory in all, Q4_K_M" + at, gib(row_a->memory.total()), gib(row_b->memory.total()));
  return out;
}

}  // namespace canirun
