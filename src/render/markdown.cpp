#include <fmt/format.h>

#include "describe.hpp"
#include "renderers.hpp"
#include "text.hpp"

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

constexpr std::string_view k_columns = "Quant | Grade | Memory | Runs on | t/s | Max context |\n";
constexpr std::string_view k_rules = "--- | --- | ---: | --- | ---: | ---: |\n";

std::string model_section(const ModelReport& m)
{
  std::string out = fmt::format("## {}\n\n", cell(m.name));
  if (m.quants.empty()) return out + fmt::format("Grade **?**: {}\n", cell(m.notes.empty() ? "not planned" : m.notes.front()));
  out += fmt::format("{} parameters, {} tokens of context\n\n| {}| {}", params_text(m.n_params), m.n_ctx, k_columns, k_rules);
  for (const auto& r : m.quants) out += "| " + figures(r);
  if (m.best && !m.quants[*m.best].command.empty()) {
    out += fmt::format("\nBest: {}\n\n```sh\n{}\n```\n", cell(quant_text(m.quants[*m.best])), clean(m.quants[*m.best].command));
  }
  return out;
}

}  // namespace

std::string render_markdown(const Report& report, const RenderOptions& options)
{
  std::string out = "# canirun\n\n";
  for (const auto& line : machine_lines(report.hardware, Style({.colour = false, .unicode = true})))
    out += "- " + cell(line) + "\n";
  out += "\n";
  if (report.models.size() == 1) return out + model_section(report.models.front());
  out += fmt::format("| Model | Parameters | {}| --- | ---: | {}", k_columns, k_rules);
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

}  // namespace canirun
