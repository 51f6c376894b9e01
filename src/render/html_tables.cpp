#include <algorithm>
#include <fmt/format.h>

#include "describe.hpp"
#include "html_sections.hpp"
#include "html_text.hpp"
#include "markup.hpp"
#include "text.hpp"

namespace canirun {

namespace {

struct Heading {
  std::string_view text;
  bool number = false;
};

/// Opens a table that the script makes sortable; `caption` is for those who hear the page.
void open_table(std::string& out, std::string_view caption, std::string_view classes, std::initializer_list<Heading> headings)
{
  out += fmt::format("<div class=\"scroll\"><table class=\"{}\"><caption class=\"hidden\">{}</caption>\n<thead><tr>", classes,
                     escape_markup(caption));
  for (const auto& h : headings) out += fmt::format("<th scope=\"col\"{}>{}</th>", h.number ? " class=\"number\"" : "", h.text);
  out += "</tr></thead>\n<tbody>\n";
}

void close_table(std::string& out) { out += "</tbody></table></div>\n"; }

/// A number under its column; `order` is what it sorts by, the empty text is an absent one.
void number_cell(std::string& out, double order, std::string_view text)
{
  out += fmt::format("<td class=\"number\" data-order=\"{:.3f}\">{}</td>", order, text.empty() ? "–" : text);
}

void grade_cell(std::string& out, const QuantReport& row)
{
  const bool best = row.grade.letter == Letter::S;
  out += fmt::format("<td data-order=\"{}\">{}{}</td>", static_cast<int>(row.grade.letter), grade_mark(row.grade.letter),
                     best ? "" : fmt::format(" <small>{}</small>", name(row.grade.limited_by)));
}

/// Memory, where it runs, speed and context of one row; the same in a model's table and in the list.
void figure_cells(std::string& out, const QuantReport& row)
{
  const auto total = row.memory.total();
  number_cell(out, to_gib(total).value, gib_text(total));
  out += fmt::format("<td>{}</td>", escape_markup(where_text(row)));
  const auto& speed = row.media && row.media->seconds ? row.media->seconds
                      : row.media                     ? row.media->times_real_time
                                                      : row.speed.generation_tps;
  number_cell(out, speed && row.fits ? speed->estimate : -1, row.fits ? speed_text(row) : "");
  const auto context = row.max_ctx.value_or(0);
  number_cell(out, context, context > 0 ? context_text(context) : "");
}

void best_pick(std::string& out, const ModelReport& model)
{
  if (!model.best) return;
  const auto& row = model.quants[*model.best];
  if (!row.fits) {
    out += "<p class=\"best\">No quantisation fits this machine.</p>\n";
    return;
  }
  out += fmt::format("<p class=\"best\">{} Best: <strong>{}</strong> · {} GiB · {}{}</p>\n", grade_mark(row.grade.letter),
                     escape_markup(quant_text(row)), gib_text(row.memory.total()), escape_markup(where_text(row)),
                     row.speed.generation_tps
                         ? fmt::format(" · {} tokens a second ({}–{})", speed_text(row), rate_text(row.speed.generation_tps->low),
                                       rate_text(row.speed.generation_tps->high))
                     : row.media ? fmt::format(" · {} {}", speed_text(row), speed_unit(model))
                                 : "");
  if (!row.command.empty()) out += fmt::format("<pre tabindex=\"0\"><code>{}</code></pre>\n", escape_markup(row.command));
}

/// "S 47 t/s Q8_0" of one machine, sorted by grade and then by speed.
void verdict_cell(std::string& out, const QuantReport* row, bool with_quant)
{
  if (!row) {
    out += "<td data-order=\"-1\"><span class=\"grade\">?</span></td>";
    return;
  }
  const auto tps = row->fits && row->speed.generation_tps ? row->speed.generation_tps->estimate : 0;
  out += fmt::format("<td data-order=\"{:.4f}\">{}", static_cast<double>(row->grade.letter) + std::min(tps, 9999.0) / 1e4,
                     grade_mark(row->grade.letter));
  if (row->fits && row->speed.generation_tps) out += fmt::format(" {} <small>t/s</small>", speed_text(*row));
  else if (row->fits && row->media) out += " " + speed_text(*row);
  if (row->fits && with_quant) out += fmt::format(" <small>{}</small>", escape_markup(quant_text(*row)));
  out += "</td>";
}

const QuantReport* row_of(const Report& report, const ModelReport& model, const QuantReport* quant)
{
  const auto found = std::ranges::find(report.models, model.id, &ModelReport::id);
  if (found == report.models.end()) return nullptr;
  if (!quant) return found->best ? &found->quants[*found->best] : nullptr;
  const auto row = std::ranges::find_if(found->quants, [&](const QuantReport& r) { return quant_text(r) == quant_text(*quant); });
  return row == found->quants.end() ? nullptr : &*row;
}

}  // namespace

void html_model(std::string& out, const ModelReport& model)
{
  out += fmt::format("<h2>{}</h2>\n<p class=\"lead\">{} parameters{}{}</p>\n", escape_markup(model.name),
                     params_text(model.n_params), model.license.empty() ? "" : " · " + escape_markup(model.license),
                     model.n_ctx > 0 ? fmt::format(" · context {} of {} tokens", model.n_ctx, model.n_ctx_train) : "");
  best_pick(out, model);
  for (const auto& note : model.notes) out += fmt::format("<p>{}</p>\n", escape_markup(note));
  if (model.quants.empty()) return;
  const auto unit = speed_unit(model);
  open_table(
      out, "Quantisations of " + model.name, "sortable",
      {{"Quantisation"}, {"Grade"}, {"Memory, GiB", true}, {"Runs on"}, {unit, true}, {"Largest context", true}, {"Notes"}});
  for (std::size_t i = 0; i < model.quants.size(); ++i) {
    const auto& row = model.quants[i];
    const bool best = model.best == i && row.fits;
    out += fmt::format("<tr{} data-grade=\"{}\"><td>{}</td>", best ? " class=\"best\"" : "", static_cast<int>(row.grade.letter),
                       escape_markup(quant_text(row)));
    grade_cell(out, row);
    figure_cells(out, row);
    out += fmt::format("<td class=\"wrap\">{}{}</td></tr>\n", best ? row.notes.empty() ? "best pick" : "best pick; " : "",
                       escape_markup(fmt::format("{}", fmt::join(row.notes, "; "))));
  }
  close_table(out);
  html_heat_map(out, model);
}

void html_list(std::string& out, const Report& report)
{
  out += "<h2>Models</h2>\n";
  open_table(out, "Models on this machine", "sortable",
             {{"Model"},
              {"Grade"},
              {"Parameters", true},
              {"Quantisation"},
              {"Memory, GiB", true},
              {"Runs on"},
              {"t/s", true},
              {"Largest context", true},
              {"Tasks"}});
  for (const auto& model : report.models) {
    const auto* row = model.best ? &model.quants[*model.best] : nullptr;
    out += fmt::format("<tr data-grade=\"{}\"><td title=\"{}\">{}</td>", row ? static_cast<int>(row->grade.letter) : -1,
                       escape_markup(model.id), escape_markup(model.name));
    if (row) grade_cell(out, *row);
    else out += "<td data-order=\"-1\"><span class=\"grade\">?</span></td>";
    number_cell(out, static_cast<double>(model.n_params) / 1e9, params_text(model.n_params));
    out += fmt::format("<td>{}</td>", row ? escape_markup(quant_text(*row)) : "–");
    if (row) figure_cells(out, *row);
    else {
      number_cell(out, -1, "");
      out += fmt::format("<td class=\"wrap\">{}</td>", escape_markup(model.notes.empty() ? "not planned" : model.notes.front()));
      number_cell(out, -1, "");
      number_cell(out, -1, "");
    }
    out += fmt::format("<td>{}</td></tr>\n", escape_markup(fmt::format("{}", fmt::join(model.tasks, ", "))));
  }
  close_table(out);
}

void html_comparison(std::string& out, Reports reports)
{
  const auto& models = reports.front().models;
  const bool one = models.size() == 1;
  out += fmt::format("<h2>{}</h2>\n", one ? escape_markup(models.front().name) : "Models by machine");
  open_table(out, "Grade and tokens a second by machine", "sortable",
             {{one ? "Quantisation" : "Model"}, {one ? "Memory, GiB" : "Parameters", true}});
  // The machines' headings follow those that every comparison has.
  out.resize(out.rfind("</tr></thead>"));
  for (const auto& report : reports) out += fmt::format("<th scope=\"col\">{}</th>", escape_markup(report.machine));
  out += "</tr></thead>\n<tbody>\n";
  const auto line = [&](std::string_view first, const ModelReport& model, const QuantReport* quant) {
    out += fmt::format("<tr><td>{}</td>", escape_markup(first));
    if (quant) number_cell(out, to_gib(quant->memory.total()).value, gib_text(quant->memory.total()));
    else number_cell(out, static_cast<double>(model.n_params) / 1e9, params_text(model.n_params));
    for (const auto& report : reports) verdict_cell(out, row_of(report, model, quant), !quant);
    out += "</tr>\n";
  };
  for (const auto& model : models) {
    if (!one) line(model.name, model, nullptr);
    else {
      for (const auto& row : model.quants) line(quant_text(row), model, &row);
    }
  }
  close_table(out);
}

void html_heat_map(std::string& out, const ModelReport& model)
{
  if (model.contexts.empty()) return;
  out += fmt::format(
      "<h3>Grade by context and quantisation</h3>\n<div class=\"scroll\"><table class=\"heat\"><caption class=\"hidden\">Grades "
      "of {} "
      "by context and quantisation, with memory in GiB</caption>\n<thead><tr><th scope=\"col\">Context</th>",
      escape_markup(model.name));
  for (const auto& column : model.contexts) out += fmt::format("<th scope=\"col\">{}</th>", context_text(column.n_ctx));
  out += "</tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < model.quants.size(); ++i) {
    out += fmt::format("<tr><th scope=\"row\">{}</th>", escape_markup(quant_text(model.quants[i])));
    for (const auto& column : model.contexts) {
      const auto& cell = column.cells[i];
      out += fmt::format("<td class=\"{0}\">{0} <small>{1}</small></td>", name(cell.grade), gib_text(cell.total));
    }
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n<p class=\"lead\">Each cell: the grade at this context, and the memory it takes in GiB.</p>\n";
}

}  // namespace canirun
