#include <algorithm>
#include <fmt/format.h>

#include "describe.hpp"
#include "renderers.hpp"
#include "text.hpp"
#include "text_table.hpp"

namespace canirun {

namespace {

/// Grade and speed of one row on one machine: "S 47 t/s".
Cell verdict(const QuantReport* row, bool with_quant)
{
  if (!row) return {"?"};
  auto text = std::string(name(row->grade.letter));
  if (row->fits && row->speed.generation_tps) text += fmt::format(" {} t/s", speed_text(*row));
  else if (row->fits && row->media) text += " " + speed_text(*row);
  if (row->fits && with_quant) text += " " + quant_text(*row);
  return {text, row->grade.letter};
}

const ModelReport* same_model(const Report& report, const ModelReport& model)
{
  const auto found = std::ranges::find_if(
      report.models, [&](const ModelReport& m) { return m.id == model.id && m.source == model.source; });
  return found == report.models.end() ? nullptr : &*found;
}

const QuantReport* best_row(const ModelReport* model) { return model && model->best ? &model->quants[*model->best] : nullptr; }

const QuantReport* same_quant(const ModelReport* model, const QuantReport& row)
{
  if (!model) return nullptr;
  const auto found = std::ranges::find_if(model->quants, [&](const QuantReport& r) { return quant_text(r) == quant_text(row); });
  return found == model->quants.end() ? nullptr : &*found;
}

std::vector<Column> columns_of(Reports reports, std::vector<Column> columns, const Style& style)
{
  for (const auto& report : reports) columns.push_back({clean(report.machine, !style.unicode), false, true});
  return columns;
}

TextTable quants_by_machine(Reports reports, const ModelReport& model, const Style& style)
{
  TextTable table(columns_of(reports, {{"quant"}, {"memory", true}}, style));
  for (const auto& row : model.quants) {
    std::vector<Cell> line{{quant_text(row)}, {size_text(row.memory.total())}};
    for (const auto& report : reports) line.push_back(verdict(same_quant(same_model(report, model), row), false));
    table.add(std::move(line));
  }
  std::vector<Cell> best{{"best"}, {""}};
  for (const auto& report : reports) {
    const auto* row = best_row(same_model(report, model));
    best.push_back({row && row->fits ? quant_text(*row) : std::string(style.dash()), {}, true});
  }
  table.add(std::move(best));
  return table;
}

TextTable models_by_machine(Reports reports, std::uint32_t limit, const Style& style)
{
  TextTable table(columns_of(reports, {{"model", false, true}, {"params", true}}, style));
  const auto& models = reports.front().models;
  for (std::size_t i = 0; i < models.size() && (limit == 0 || i < limit); ++i) {
    std::vector<Cell> line{{clean(models[i].id, !style.unicode)}, {params_text(models[i].n_params)}};
    for (const auto& report : reports) line.push_back(verdict(best_row(same_model(report, models[i])), true));
    table.add(std::move(line));
  }
  return table;
}

}  // namespace

std::string render_comparison(Reports reports, const RenderOptions& options)
{
  const Style style(options);
  const auto width = std::max(options.width, 40u);
  std::string out;
  for (const auto& report : reports) {
    out += style.bold(cut(clean(report.machine, !style.unicode), width, style.ellipsis())) + "\n";
    for (const auto& line : machine_lines(report.hardware, style)) out += cut("  " + line, width, style.ellipsis()) + "\n";
  }
  const auto& models = reports.front().models;
  if (models.empty()) return out + "\nNo model matches.\n";
  if (models.size() > 1) return out + "\n" + models_by_machine(reports, options.limit, style).text(style, width);
  const auto& model = models.front();
  out += "\n" + style.bold(cut(clean(model.name, !style.unicode), width, style.ellipsis())) + "\n";
  if (model.quants.empty()) return out + fmt::format("grade ?  {}\n", model.notes.empty() ? "not planned" : clean(model.notes.front()));
  return out + quants_by_machine(reports, model, style).text(style, width);
}

}  // namespace canirun
