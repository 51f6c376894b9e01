#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "describe.hpp"
#include "renderers.hpp"
#include "text.hpp"
#include "text_table.hpp"

namespace canirun {

namespace {

constexpr std::uint32_t k_never = std::numeric_limits<std::uint32_t>::max();

/// Why a recommended model is there: its first note. Others have no such column.
std::string reason_text(const ModelReport& model, bool recommended, const Style& style)
{
  return recommended && !model.notes.empty() ? clean(model.notes.front(), !style.unicode) : std::string();
}

std::vector<Cell> graded_line(const ModelReport& model, bool recommended, const Style& style)
{
  const auto& row = model.quants[model.best.value_or(0)];
  return {{std::string(name(row.grade.letter)), row.grade.letter},
          {clean(model.id, !style.unicode)},
          {params_text(model.n_params)},
          {quant_text(row)},
          {size_text(row.memory.total())},
          {where_text(row)},
          {speed_text(row)},
          {reason_text(model, recommended, style)},
          {row.max_ctx && *row.max_ctx > 0 ? context_text(*row.max_ctx) : std::string(style.dash())},
          {speed_range_text(row, style)},
          {std::string(name(row.grade.limited_by))},
          {fmt::format("{}", fmt::join(model.tasks, ", "))},
          {model.release}};
}

std::vector<Cell> unplanned_line(const ModelReport& model, const Style& style)
{
  const std::string none(style.dash());
  return {{"?"},
          {clean(model.id, !style.unicode)},
          {model.n_params > 0 ? params_text(model.n_params) : none},
          {none},
          {none},
          {model.notes.empty() ? "not planned" : clean(model.notes.front(), !style.unicode)},
          {none},
          {""},
          {none},
          {none},
          {none},
          {fmt::format("{}", fmt::join(model.tasks, ", "))},
          {model.release}};
}

}  // namespace

std::string render_ranking(const Report& report, const RenderOptions& options)
{
  const Style style(options);
  const auto width = std::max(options.width, 40u);
  std::string out;
  for (const auto& line : machine_lines(report.hardware, style)) out += cut(line, width, style.ellipsis()) + "\n";
  if (report.models.empty()) {
    return out + (options.machine_answer
                      ? "\nNo model of the catalogue runs well here; canirun --all lists each with its reason.\n"
                      : "\nNo model matches.\n");
  }

  // An answer to "what should I run?" says why each model is there before it says what a list says.
  const bool why = options.machine_answer;
  const auto from = [&](std::uint32_t width_of_answer, std::uint32_t width_of_list) { return why ? width_of_answer : width_of_list; };
  TextTable table({{"", false},
                   {"model", false, true},
                   {"params", true},
                   {"quant", false},
                   {"memory", true, false, from(90, 0)},
                   {"runs on", false, true, from(112, 0)},
                   {"t/s", true},
                   {"why", false, true, from(0, k_never)},
                   {"max ctx", true, false, from(100, 70)},
                   {"range", true, false, from(130, 100)},
                   {"limit", false, false, from(140, 100)},
                   {"tasks", false, false, from(160, 120)},
                   {"released", false, false, from(150, 120)}});
  const auto shown = options.limit > 0 ? std::min<std::size_t>(options.limit, report.models.size()) : report.models.size();
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& model = report.models[i];
    table.add(model.quants.empty() ? unplanned_line(model, style) : graded_line(model, why, style));
  }
  out += "\n" + table.text(style, width);
  const auto hidden = report.models.size() - shown;
  if (hidden > 0) out += fmt::format("{} {} more: canirun --all\n", style.ellipsis(), hidden);
  if (!options.quiet && options.machine_answer)
    out += "\n" + cut("canirun MODEL shows every quantisation of one and the command that runs it.", width, style.ellipsis()) + "\n";
  return out;
}

}  // namespace canirun
