#include <algorithm>
#include <fmt/format.h>

#include "fleet_parts.hpp"
#include "style.hpp"
#include "text.hpp"
#include "text_table.hpp"

namespace canirun {

namespace {

// Hosts that a line has room for.
constexpr std::size_t k_most_hosts = 4;
// Classes that are columns of the table of models.
constexpr std::size_t k_most_columns = 6;

std::string host_text(const MachineClass& c)
{
  const auto shown = std::min(k_most_hosts, c.hosts.size());
  const std::vector<std::string> some(c.hosts.begin(), c.hosts.begin() + static_cast<std::ptrdiff_t>(shown));
  return fmt::format("{}{}", fmt::join(some, " "), shown < c.hosts.size() ? fmt::format(" and {} more", c.hosts.size() - shown) : "");
}

std::string plain_times(std::string text, const Style& style)
{
  constexpr std::string_view k_times = "×";
  for (std::size_t at = 0; (at = text.find(k_times, at)) != std::string::npos; ++at) text.replace(at, k_times.size(), style.times());
  return clean(text, !style.unicode);
}

std::string speed_of(const FleetCell& cell, const Style& style)
{
  if (!cell.fits) return std::string(style.dash());
  return cell.tokens_per_second ? rate_text(*cell.tokens_per_second) : "?";
}

std::string classes_table(const Fleet& fleet, const Style& style, std::uint32_t width)
{
  const bool hosts = std::ranges::any_of(fleet.classes, [](const MachineClass& c) { return !c.hosts.empty(); });
  TextTable table({{"class"}, {"machines", true}, {"hardware", false, true}, {"hosts", false, true, hosts ? 0u : UINT32_MAX}});
  for (std::size_t i = 0; i < fleet.classes.size(); ++i) {
    const auto& c = fleet.classes[i];
    table.add({{class_label(i)}, {std::to_string(c.machines)}, {plain_times(c.name, style)}, {clean(host_text(c), !style.unicode)}});
  }
  return table.text(style, width);
}

std::string model_section(const Fleet& fleet, const FleetModel& model, const Style& style, std::uint32_t width)
{
  const bool users = std::ranges::any_of(model.cells, [](const FleetCell& c) { return c.users.has_value(); });
  TextTable table({{"class"}, {"machines", true}, {"grade"}, {"quant"}, {"where"}, {"memory", true}, {"t/s", true},
                   {"context", true, false, 70}, {"users", true, false, users ? 0u : UINT32_MAX}});
  for (std::size_t i = 0; i < fleet.classes.size(); ++i) {
    const auto& cell = model.cells[i];
    table.add({{class_label(i)},
               {std::to_string(fleet.classes[i].machines)},
               {cell.grade ? std::string(name(*cell.grade)) : "?", cell.grade},
               {clean(cell.quant)},
               {std::string(mode_text(cell))},
               {cell.grade ? size_text(cell.memory) : "?"},
               {speed_of(cell, style)},
               {cell.max_ctx && cell.fits ? context_text(*cell.max_ctx) : std::string(style.dash())},
               {cell.users ? std::to_string(*cell.users) : ""}});
  }
  return style.bold(clean(model.name, !style.unicode)) + fmt::format("{}{} tokens of context\n", style.dot(), model.n_ctx) + table.text(style, width);
}

/// A line a model: on how many machines it runs, and grade and quantisation on the largest classes.
std::string models_table(const Fleet& fleet, const Style& style, const RenderOptions& options)
{
  const auto shown = std::min(k_most_columns, fleet.classes.size());
  std::vector<Column> columns{{"model", false, true}, {"params", true, false, 70}, {"machines", true}};
  for (std::size_t c = 0; c < shown; ++c) {
    // A column of 9 characters; the classes with most machines stay longest on a narrow terminal.
    columns.push_back({class_label(c), false, false, static_cast<std::uint32_t>(40 + 11 * (c + 1))});
  }
  TextTable table(std::move(columns));
  const auto rows = options.limit > 0 ? std::min<std::size_t>(options.limit, fleet.models.size()) : fleet.models.size();
  for (std::size_t m = 0; m < rows; ++m) {
    const auto& model = fleet.models[m];
    std::vector<Cell> line{{clean(model.id, !style.unicode)}, {model.n_params > 0 ? params_text(model.n_params) : ""},
                           {std::to_string(machines_that_run(fleet, model))}};
    for (std::size_t c = 0; c < shown; ++c) {
      const auto& cell = model.cells[c];
      line.push_back({cell.grade ? cell.fits ? fmt::format("{} {}", name(*cell.grade), cell.quant) : "F" : "?", cell.grade});
    }
    table.add(std::move(line));
  }
  auto out = table.text(style, options.width);
  if (rows < fleet.models.size()) out += fmt::format("{} more models; without -n, or as csv, json or html, all are listed\n", fleet.models.size() - rows);
  return out;
}

std::string comparison_table(const FleetReport& report, const Style& style, std::uint32_t width)
{
  const auto& c = *report.comparison;
  const auto& fleet = report.fleet;
  TextTable table({{"", false, true}, {clean(fleet.models[c.a].id), true}, {clean(fleet.models[c.b].id), true}});
  for (const auto& d : c.differences) table.add({{d.what}, {clean(d.a)}, {clean(d.b)}});
  return table.text(style, width);
}

}  // namespace

std::string render_fleet_table(const FleetReport& report, const RenderOptions& options)
{
  // Models that get a table of their own; more are a line each.
  constexpr std::size_t k_most_sections = 3;
  const Style style(options);
  const auto& fleet = report.fleet;
  auto out = fmt::format("{} in {} class{}{}{} model{}\n\n", machines_text(fleet.machines()), fleet.classes.size(), fleet.classes.size() == 1 ? "" : "es",
                         style.dot(), fleet.models.size(), fleet.models.size() == 1 ? "" : "s");
  out += classes_table(fleet, style, options.width) + "\n";
  if (fleet.models.size() <= k_most_sections) {
    for (const auto& model : fleet.models) out += model_section(fleet, model, style, options.width) + "\n";
  } else {
    out += models_table(fleet, style, options) + "\n";
  }
  if (report.comparison) out += comparison_table(report, style, options.width) + "\n";
  for (const auto& sentence : answer_sentences(report)) {
    for (const auto& line : wrap(clean(sentence, !style.unicode), options.width)) out += line + "\n";
  }
  return out;
}

}  // namespace canirun
