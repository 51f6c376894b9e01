#include <algorithm>
#include <fmt/format.h>

#include "describe.hpp"
#include "renderers.hpp"
#include "text.hpp"
#include "verdicts.hpp"

namespace canirun {

namespace {

/// Text in a cell: nothing of it is markup.
std::string cell(std::string_view text)
{
  std::string out;
  for (const char c : clean(text)) {
    if (c == '<') out += "&lt;";
    else if (c == '&') out += "&amp;";
    else {
      if (std::string_view("\\`*_[]|>#").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

/// Without the model's own columns, which a single model's table has in its title.
std::string figures(const QuantReport& r)
{
  return fmt::format("{} | **{}** | {} | {} | {} | {} |\n", cell(quant_text(r)), name(r.grade.letter),
                     size_text(r.memory.total()), cell(where_text(r)), speed_text(r),
                     r.max_ctx && *r.max_ctx > 0 ? context_text(*r.max_ctx) : "–");
}

/// `unit` of the speed: "t/s", "s/image".
std::string columns(std::string_view unit) { return fmt::format("Quant | Grade | Memory | Runs on | {} | Max context |\n", unit); }
constexpr std::string_view k_rules = "--- | --- | ---: | --- | ---: | ---: |\n";

std::string model_section(const ModelReport& m)
{
  std::string out = fmt::format("## {}\n\n", cell(m.name));
  if (m.quants.empty()) return out + fmt::format("Grade **?**: {}\n", cell(m.notes.empty() ? "not planned" : m.notes.front()));
  out += fmt::format("{} parameters", params_text(m.n_params));
  if (m.n_ctx > 0) out += fmt::format(", {} tokens of context", m.n_ctx);
  out += fmt::format("\n\n| {}| {}", columns(speed_unit(m)), k_rules);
  for (const auto& r : m.quants) out += "| " + figures(r);
  if (m.best && !m.quants[*m.best].command.empty()) {
    out += fmt::format("\nBest: {}\n\n```sh\n{}\n```\n", cell(quant_text(m.quants[*m.best])), clean(m.quants[*m.best].command));
  }
  return out;
}

std::string checks_section(Reports reports)
{
  std::string out = "| | Checked | Asked | Found | Would pass |\n| --- | --- | --- | --- | --- |\n";
  for (const auto& report : reports) {
    for (const auto& c : report.checks) {
      const auto who = cell(subject(report, c));
      if (c.passed()) out += fmt::format("| pass | {} | | | |\n", who);
      for (const auto& f : c.failures) {
        out += fmt::format("| **FAIL** | {} | {} {} | {} | {} |\n", who, f.requirement, cell(f.asked), cell(f.found),
                           c.nearest.empty() ? cell(f.best.empty() ? "no setting" : "no setting; closest: " + f.best)
                                             : cell(c.nearest));
      }
    }
  }
  return out + "\n";
}

std::string machine_section(const Report& report)
{
  std::string out;
  for (const auto& line : machine_lines(report.hardware, Style({.colour = false, .unicode = true})))
    out += "- " + cell(line) + "\n";
  return out + "\n";
}

std::string models_section(const Report& report, const RenderOptions& options)
{
  if (report.models.size() == 1) return model_section(report.models.front());
  std::string out = fmt::format("| Model | Parameters | {}| --- | ---: | {}", columns("t/s"), k_rules);
  std::size_t shown = 0;
  for (const auto& m : report.models) {
    if (options.limit > 0 && shown++ == options.limit) break;
    out += fmt::format("| {} | {} | ", cell(m.id), m.n_params > 0 ? params_text(m.n_params) : "–");
    if (m.quants.empty())
      out += fmt::format("– | **?** | – | {} | – | – |\n", cell(m.notes.empty() ? "not planned" : m.notes.front()));
    else out += figures(m.quants[m.best.value_or(0)]);
  }
  return out;
}

}  // namespace

std::string render_markdown(Reports reports, const RenderOptions& options)
{
  std::string out = "# canirun\n\n";
  if (std::ranges::any_of(reports, [](const Report& r) { return !r.checks.empty(); })) out += checks_section(reports);
  for (const auto& report : reports) {
    if (!report.machine.empty()) out += fmt::format("## {}\n\n", cell(report.machine));
    out += machine_section(report) + models_section(report, options);
    if (reports.size() > 1) out += "\n";
  }
  if (reports.size() > 1) out.pop_back();
  return out;
}

}  // namespace canirun
