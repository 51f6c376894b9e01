#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <tuple>

#include "canirun/core/fleet.hpp"
#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/fleet_shard.hpp"
#include "canirun/render/fleet.hpp"
#include "commands.hpp"
#include "evaluate_all.hpp"
#include "models.hpp"
#include "output.hpp"
#include "profile_intake.hpp"

namespace canirun {

namespace {

// Above so many models the users of each and the upgrades are counted only where they are asked for (--ctx, --gpu): they cost several
// evaluations a cell.
constexpr std::size_t k_few_models = 20;

/// For each size from 12 GiB on, the card of the newest generation that one buys for a desktop or workstation; of several the one
/// with the least bandwidth, which costs least.
std::vector<UpgradeOption> cards_to_buy(const GpuTable& table)
{
  constexpr double k_least_gib = 12;
  std::map<double, const GpuEntry*> by_size;
  for (const auto& e : table.entries()) {
    const bool runs_llama_cpp = e.vendor == "NVIDIA" || e.vendor == "AMD" || e.vendor == "Intel";
    if (!runs_llama_cpp || e.unified || e.dies > 1 || !e.bandwidth_gbs || (e.form != "desktop" && e.form != "workstation")) continue;
    for (const auto gib : e.vram_gib) {
      if (gib < k_least_gib) continue;
      auto& kept = by_size[gib];
      if (!kept || std::tuple(e.year, -*e.bandwidth_gbs) > std::tuple(kept->year, -*kept->bandwidth_gbs)) kept = &e;
    }
  }
  std::vector<UpgradeOption> options;
  for (const auto& [gib, entry] : by_size) {
    const Bytes vram{static_cast<std::uint64_t>(gib * static_cast<double>(std::uint64_t{1} << 30))};
    options.push_back({UpgradeOption::Kind::gpu, fmt::format("{} with {:g} GiB as the GPU", entry->name, gib), to_gpu(*entry, vram)});
  }
  return options;
}

Result<std::vector<UpgradeOption>> upgrade_options(const Options& o, const GpuTable& table, std::size_t n_models)
{
  std::vector<UpgradeOption> options;
  if (n_models > k_few_models && o.machine.gpus.empty()) return options;
  options.push_back({UpgradeOption::Kind::more_ram, "twice the RAM", {}});
  options.push_back({UpgradeOption::Kind::another_gpu, "one more equal GPU", {}});
  if (o.machine.gpus.empty()) {
    for (auto& card : cards_to_buy(table)) options.push_back(std::move(card));
  }
  for (const auto& text : o.machine.gpus) {
    const auto match = table.lookup(text, std::nullopt);
    if (!match) return tl::unexpected(match.error());
    options.push_back({UpgradeOption::Kind::gpu, fmt::format("{} as the GPU", match->gpus.front().name), match->gpus.front()});
  }
  return options;
}

/// The models that are asked for; those that --compare names are among them.
Result<ModelSet> models_asked(const Options& o, const Catalogue& catalogue)
{
  auto words = o.fleet.models;
  for (const auto& m : o.fleet.compare) words.push_back(m);
  return models_of(words, o.selection, catalogue);
}

std::optional<Comparison> comparison_of(const Options& o, const ModelSet& set, const Catalogue& catalogue)
{
  if (o.fleet.compare.size() != 2) return std::nullopt;
  const auto index_of = [&](const std::string& word) {
    const auto found = std::ranges::find_if(set.subjects, [&](const AskedModel& s) {
      const auto* entry = catalogue.find(word);
      return entry ? s.spec == &entry->spec : s.facts.source == word;
    });
    return static_cast<std::size_t>(found - set.subjects.begin());
  };
  Comparison c;
  c.a = index_of(o.fleet.compare[0]), c.b = index_of(o.fleet.compare[1]);
  if (c.a >= set.subjects.size() || c.b >= set.subjects.size()) return std::nullopt;
  const auto& a = set.subjects[c.a];
  const auto& b = set.subjects[c.b];
  c.differences = version_differences(*a.spec, a.facts, *b.spec, b.facts, o.question);
  return c;
}

Result<int> finish(FleetReport report, const Options& o, const Environment& env)
{
  answer_fleet(report);
  const auto text = render_fleet(report, o.format, render_options(o, env, false));
  if (!text) return tl::unexpected(text.error());
  return emit(*text, o);
}

Result<int> merge(const Options& o, const Environment& env)
{
  std::vector<ShardText> parts;
  for (const auto& word : o.words) {
    auto text = read_input(word);
    if (!text) return tl::unexpected(text.error());
    parts.push_back({word == "-" ? "standard input" : word, std::move(*text)});
  }
  auto report = merge_shards(parts);
  if (!report) return tl::unexpected(report.error());
  return finish(std::move(*report), o, env);
}

}  // namespace

Result<int> run_fleet(const Options& o, const Environment& env)
{
  const auto formats = fleet_format_names();
  if (std::ranges::find(formats, o.format) == formats.end()) return tl::unexpected(render_fleet({}, o.format, {}).error());
  if (o.words.empty()) {
    return fail(ErrorKind::invalid_argument,
                o.fleet.merge ? "--merge needs the files that --shard wrote"
                              : "fleet needs profiles, as in `canirun fleet profiles/`; `canirun probe -o FILE` writes one, - reads them from standard input");
  }
  if (o.fleet.merge) return merge(o, env);

  const auto catalogue = load_catalogue(env.data, std::vector<std::filesystem::path>(o.catalogue_files.begin(), o.catalogue_files.end()));
  if (!catalogue) return tl::unexpected(catalogue.error());
  const auto set = models_asked(o, *catalogue);
  if (!set) return tl::unexpected(set.error());
  const auto table = load_gpu_table(env.data, {});
  if (!table) return tl::unexpected(table.error());
  auto upgrades = upgrade_options(o, *table, set->subjects.size());
  if (!upgrades) return tl::unexpected(upgrades.error());

  FleetQuestion question{o.question, o.requirements.min_grade.value_or(Letter::D), false};
  question.users = o.question.workload.n_ctx > 0 || set->subjects.size() <= k_few_models;
  ClassFolder folder(o.question.budget);
  const auto intake = read_profiles(o.words, *table, folder);
  if (intake.read == 0) return fail(ErrorKind::parse, "no profile could be read; `canirun probe -o FILE` writes one");

  FleetReport report;
  report.workload = o.question.workload;
  report.budget = o.question.budget;
  report.fleet = make_fleet(folder.classes(), std::move(*upgrades), question);
  report.comparison = comparison_of(o, *set, *catalogue);
  const auto shard = o.fleet.shard.value_or(Shard{});
  std::vector<const AskedModel*> mine;
  for (std::size_t m = 0; m < set->subjects.size(); ++m) {
    if (shard.holds(m)) mine.push_back(&set->subjects[m]);
  }
  std::vector<FleetModel> models(mine.size());
  on_all_cores(mine.size(), [&](std::size_t i) { models[i] = evaluate_on_fleet(*mine[i]->spec, mine[i]->facts, report.fleet, question); });
  report.fleet.models = std::move(models);
  if (o.fleet.shard) return emit(shard_json(report, shard, set->subjects.size()), o);
  return finish(std::move(report), o, env);
}

}  // namespace canirun
