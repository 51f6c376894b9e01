#include "canirun/render/fleet.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "fleet_parts.hpp"

namespace canirun {

namespace {

struct Format {
  std::string_view name;
  std::string (*function)(const FleetReport&, const RenderOptions&);
};

constexpr std::array k_formats{
    Format{"table", render_fleet_table},
    Format{"json", render_fleet_json},
    Format{"csv", render_fleet_csv},
    Format{"html", render_fleet_html},
};

// Models that a sentence each is made of; more are in the table.
constexpr std::size_t k_most_sentences = 8;
constexpr std::size_t k_most_upgrades = 3;

std::string model_names(const Fleet& fleet, const std::vector<std::size_t>& models)
{
  constexpr std::size_t k_most = 5;
  std::vector<std::string_view> names;
  for (const auto m : models) {
    if (names.size() < k_most) names.push_back(fleet.models[m].id);
  }
  const auto more = models.size() - names.size();
  return fmt::format("{}{}", fmt::join(names, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

std::string who_runs(const Fleet& fleet, const FleetModel& model)
{
  std::vector<std::size_t> classes;
  bool known = false;
  for (std::size_t c = 0; c < fleet.classes.size(); ++c) {
    known = known || model.cells[c].grade;
    if (fleet.runs(model.cells[c])) classes.push_back(c);
  }
  if (!known) return fmt::format("{} cannot be graded: there is no tensor plan for it.", model.id);
  if (classes.empty()) return fmt::format("No class runs {} with grade {} or better.", model.id, name(fleet.least));
  return fmt::format("{} runs on {} of {}, with grade {} or better: {}.", model.id, machines_that_run(fleet, model),
                     machines_text(fleet.machines()), name(fleet.least), class_list(classes));
}

std::string cover_sentence(const FleetReport& report)
{
  const auto& fleet = report.fleet;
  const auto& cover = report.cover;
  const auto covered = fleet.models.size() - cover.uncovered.size();
  if (covered == 0) return "No class runs any of the models.";
  auto text = cover.classes.size() == 1
                  ? fmt::format("{} alone runs {} of {} models", class_list(cover.classes), covered, fleet.models.size())
                  : fmt::format("{} together run {} of {} models; {} classes are the {}", class_list(cover.classes), covered,
                                fleet.models.size(), cover.classes.size(),
                                cover.exact ? "fewest that do" : "set that a greedy choice finds, too many classes to try all sets");
  if (!cover.uncovered.empty()) text += fmt::format("; no class runs {}", model_names(fleet, cover.uncovered));
  return text + ".";
}

std::string upgrade_sentence(const FleetReport& report, const UpgradeEffect& effect, bool first)
{
  return fmt::format("{} {}: {} would run {:.3g} more of these models each ({}).", first ? "The upgrade that helps most machines is" : "Then",
                     report.fleet.upgrades[effect.upgrade].name, machines_text(effect.machines),
                     static_cast<double>(effect.more) / static_cast<double>(effect.machines), class_list(effect.classes));
}

std::string comparison_sentence(const FleetReport& report)
{
  const auto& fleet = report.fleet;
  const auto& c = *report.comparison;
  const auto& a = fleet.models[c.a].id;
  const auto& b = fleet.models[c.b].id;
  auto text = fmt::format("{} runs on {}, {} on {}", a, machines_text(machines_that_run(fleet, fleet.models[c.a])), b,
                          machines_text(machines_that_run(fleet, fleet.models[c.b])));
  if (!c.lost.empty()) text += fmt::format("; {} would be lost ({})", machines_text(c.machines_lost), class_list(c.lost));
  if (!c.gained.empty()) text += fmt::format("; {} would be gained ({})", machines_text(c.machines_gained), class_list(c.gained));
  return text + ".";
}

}  // namespace

std::string class_label(std::size_t index) { return fmt::format("c{}", index + 1); }

std::string class_list(const std::vector<std::size_t>& classes)
{
  std::string out;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    out += (i == 0 ? "" : i + 1 == classes.size() ? " and " : ", ") + class_label(classes[i]);
  }
  return out;
}

std::uint64_t machines_that_run(const Fleet& fleet, const FleetModel& model)
{
  std::uint64_t n = 0;
  for (std::size_t c = 0; c < fleet.classes.size(); ++c) n += fleet.runs(model.cells[c]) ? fleet.classes[c].machines : 0;
  return n;
}

std::string_view mode_text(const FleetCell& cell)
{
  if (!cell.grade) return "unknown";
  if (!cell.fits) return "does not fit";
  switch (cell.mode) {
    case Placement::Mode::gpu: return "GPU";
    case Placement::Mode::split: return "GPU + RAM";
    case Placement::Mode::cpu: return "CPU";
    case Placement::Mode::none: break;
  }
  return "does not fit";
}

std::string machines_text(std::uint64_t n) { return fmt::format("{} machine{}", n, n == 1 ? "" : "s"); }

std::vector<std::string> answer_sentences(const FleetReport& report)
{
  std::vector<std::string> out;
  const auto& fleet = report.fleet;
  if (fleet.models.size() <= k_most_sentences) {
    for (const auto& model : fleet.models) out.push_back(who_runs(fleet, model));
  }
  if (!fleet.models.empty()) out.push_back(cover_sentence(report));
  for (std::size_t i = 0; i < std::min(k_most_upgrades, report.upgrades.size()); ++i) out.push_back(upgrade_sentence(report, report.upgrades[i], i == 0));
  if (report.upgrades.empty() && !fleet.upgrades.empty()) out.emplace_back("No single upgrade lets a machine run more of these models.");
  if (report.comparison) out.push_back(comparison_sentence(report));
  return out;
}

std::vector<std::string_view> fleet_format_names()
{
  std::vector<std::string_view> names;
  names.reserve(k_formats.size());
  for (const auto& format : k_formats) names.push_back(format.name);
  return names;
}

Result<std::string> render_fleet(const FleetReport& report, std::string_view format, const RenderOptions& options)
{
  const auto found = std::ranges::find(k_formats, format, &Format::name);
  if (found != k_formats.end()) return found->function(report, options);
  return fail(ErrorKind::invalid_argument,
              fmt::format("`canirun fleet` has the formats {}, not {}", fmt::join(fleet_format_names(), ", "), format));
}

}  // namespace canirun
