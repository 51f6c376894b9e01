#include <algorithm>
#include <fmt/format.h>

#include "fleet_parts.hpp"
#include "html_sections.hpp"
#include "html_text.hpp"
#include "markup.hpp"
#include "text.hpp"

/// \file
/// The fleet as one self-contained page, with the style and scripts of a report's page: classes, models × classes as a heat map, and
/// the answers. It reads without scripts; they sort and filter.

namespace canirun {

namespace {

// Classes that are columns of the map; all of them are in the JSON and CSV documents.
constexpr std::size_t k_most_columns = 40;

void classes_section(std::string& out, const Fleet& fleet)
{
  const bool named = std::ranges::any_of(fleet.classes, [](const MachineClass& c) { return !c.hosts.empty(); });
  out += fmt::format(
      "<h2>Classes of machines</h2>\n<div class=\"scroll\"><table class=\"sortable\"><caption class=\"hidden\">Classes of "
      "machines</caption><thead><tr><th>Class</th>"
      "<th class=\"number\">Machines</th><th>Hardware</th>{}</tr></thead><tbody>\n",
      named ? "<th>Hosts</th>" : "");
  for (std::size_t i = 0; i < fleet.classes.size(); ++i) {
    const auto& c = fleet.classes[i];
    out += fmt::format("<tr><td data-order=\"{}\" title=\"{}\">{}</td><td class=\"number\">{}</td><td class=\"wrap\">{}</td>", i,
                       c.id, class_label(i), c.machines, escape_markup(c.name));
    if (named) out += fmt::format("<td class=\"wrap\">{}</td>", escape_markup(fmt::format("{}", fmt::join(c.hosts, " "))));
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n";
}

void cell(std::string& out, const FleetCell& c)
{
  if (!c.grade) {
    out += "<td data-order=\"-1\">?</td>";
    return;
  }
  std::string title(mode_text(c));
  title += fmt::format(", {}", size_text(c.memory));
  if (c.users) title += fmt::format(", {} at the same time", *c.users);
  out += fmt::format("<td class=\"{0}\" data-order=\"{1}\" title=\"{2}\"><b>{0}</b> {3}", name(*c.grade),
                     static_cast<int>(*c.grade), escape_markup(title), c.fits ? escape_markup(c.quant) : "");
  if (c.fits && c.tokens_per_second) out += fmt::format(" <small>{} t/s</small>", rate_text(*c.tokens_per_second));
  out += "</td>";
}

void models_section(std::string& out, const Fleet& fleet)
{
  const auto shown = std::min(k_most_columns, fleet.classes.size());
  out +=
      "<h2>Models on classes</h2>\n<p class=\"lead\">Grade, best quantisation and tokens a second; point at a cell for the "
      "memory and where it runs.</p>\n<div class=\"scroll\"><table "
      "class=\"sortable heat fleet\"><caption class=\"hidden\">Grade of each model on each "
      "class</caption><thead><tr><th>Model</th><th class=\"number\">Machines</th>";
  for (std::size_t c = 0; c < shown; ++c)
    out += fmt::format("<th title=\"{}\">{}</th>", escape_markup(fleet.classes[c].name), class_label(c));
  out += "</tr></thead><tbody>\n";
  for (const auto& m : fleet.models) {
    out += fmt::format("<tr><th scope=\"row\" title=\"{}\">{}</th><td class=\"number\">{}</td>", escape_markup(m.id),
                       escape_markup(m.name), machines_that_run(fleet, m));
    for (std::size_t c = 0; c < shown; ++c) cell(out, m.cells[c]);
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n";
  if (shown < fleet.classes.size())
    out += fmt::format("<p>{} classes with fewer machines are not shown.</p>\n", fleet.classes.size() - shown);
}

void comparison_section(std::string& out, const FleetReport& report)
{
  const auto& c = *report.comparison;
  out += fmt::format(
      "<h2>What the versions differ in</h2>\n<div "
      "class=\"scroll\"><table><thead><tr><th></th><th>{}</th><th>{}</th></tr></thead><tbody>\n",
      escape_markup(report.fleet.models[c.a].name), escape_markup(report.fleet.models[c.b].name));
  for (const auto& d : c.differences)
    out += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n", escape_markup(d.what), escape_markup(d.a),
                       escape_markup(d.b));
  out += "</tbody></table></div>\n";
}

}  // namespace

std::string render_fleet_html(const FleetReport& report, const RenderOptions&)
{
  const auto& fleet = report.fleet;
  std::string out = "<section class=\"card\" aria-label=\"Answers\"><ul>\n";
  for (const auto& sentence : answer_sentences(report)) out += fmt::format("<li>{}</li>\n", escape_markup(sentence));
  out += "</ul></section>\n";
  classes_section(out, fleet);
  models_section(out, fleet);
  if (report.comparison) comparison_section(out, report);
  html_charts(out, {});  // none; the script looks for their data
  return html_page("What these machines can run",
                   fmt::format("{} in {} classes, {} models; a class runs a model with grade {} or better.",
                               machines_text(fleet.machines()), fleet.classes.size(), fleet.models.size(), name(fleet.least)),
                   out);
}

}  // namespace canirun
