#include "html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "web.hpp"

namespace canirun {

namespace {

/// Text of a file or a driver inside HTML: nothing in it is markup.
std::string escape(std::string_view text)
{
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
  }
  return out;
}

/// JSON inside a <script>: no "</script>" can end it early.
std::string json_for_script(const nlohmann::json& value)
{
  auto text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos; at += 6) text.replace(at, 1, "\\u003c");
  return text;
}

std::string gib(Bytes b) { return fmt::format("{:.1f}", to_gib(b).value); }

std::string grade_mark(Letter letter) { return fmt::format(R"(<span class="grade {0}">{0}</span>)", name(letter)); }

std::string where(const Placement& p)
{
  switch (p.mode) {
    case Placement::Mode::gpu: return p.gpus.size() > 1 ? fmt::format("{} GPUs", p.gpus.size()) : "GPU";
    case Placement::Mode::split:
      return p.n_cpu_moe > 0 ? fmt::format("GPU, experts of {} layers in RAM", p.n_cpu_moe)
                             : fmt::format("GPU + RAM, -ngl {}", p.n_gpu_layers);
    case Placement::Mode::cpu: return "CPU";
    case Placement::Mode::none: return "nowhere";
  }
  return "";
}

/// A figure with where it comes from.
std::string figure(const OptionalFigure& f, double unit, std::string_view suffix)
{
  if (!f) return "unknown";
  return fmt::format("{:.1f} {} <small>({})</small>", f->value / unit, suffix, escape(f->source));
}

void hardware_card(std::string& out, const HardwareProfile& machine)
{
  constexpr double k_gib = 1073741824.0;
  out += "<section class=\"card\" aria-label=\"This machine\"><dl>\n";
  for (const auto& gpu : machine.gpus) {
    out += fmt::format("<dt>GPU</dt><dd>{} · {} · {}</dd>\n", escape(gpu.name), figure(gpu.memory_total, k_gib, "GiB"),
                       figure(gpu.bandwidth, 1e9, "GB/s"));
  }
  if (machine.gpus.empty()) out += "<dt>GPU</dt><dd>none</dd>\n";
  out += fmt::format("<dt>CPU</dt><dd>{}{}</dd>\n", escape(machine.cpu.model),
                     machine.cpu.usable_cores ? fmt::format(" · {} cores", *machine.cpu.usable_cores) : "");
  if (machine.memory.total) {
    out += fmt::format("<dt>RAM</dt><dd>{} GiB{}</dd>\n", gib(*machine.memory.total),
                       machine.memory.limit ? fmt::format(", limited to {} GiB", gib(*machine.memory.limit)) : "");
  }
  for (const auto& note : machine.notes)
    out += fmt::format("<dt>Note</dt><dd>{} <small>({})</small></dd>\n", escape(note.text), escape(note.source));
  out += "</dl></section>\n";
}

/// The cells of one row from "Quantisation" on; the same in a model's table and in the list.
void row_cells(std::string& out, const QuantReport& row)
{
  const auto total = row.memory.total();
  out += fmt::format("<td>{}</td><td class=\"number\" data-order=\"{}\">{}</td><td>{}</td>",
                     escape(row.quant_label.value_or(std::string(name(row.quant)))), total.count, gib(total),
                     escape(where(row.placement)));
  const auto& tps = row.speed.generation_tps;
  out += tps ? fmt::format("<td class=\"number\" data-order=\"{0:.3f}\">{0:.1f}</td>", tps->estimate)
             : "<td class=\"number\" data-order=\"-1\">?</td>";
  out += row.max_ctx ? fmt::format("<td class=\"number\" data-order=\"{0}\">{0}</td>", *row.max_ctx)
                     : "<td class=\"number\" data-order=\"0\">–</td>";
  out += fmt::format("<td data-order=\"{}\">{}</td>", static_cast<int>(row.grade.letter), grade_mark(row.grade.letter));
}

constexpr std::string_view k_columns =
    "<th>Quantisation</th><th class=\"number\">Memory, GiB</th><th>Where</th><th class=\"number\">t/s</th><th "
    "class=\"number\">Largest context</th><th>Grade</th>";

void model_section(std::string& out, const ModelReport& model)
{
  out += fmt::format("<h2>{}</h2>\n", escape(model.name));
  out += fmt::format("<p class=\"lead\">{} parameters{} · context {} of {} tokens</p>\n",
                     fmt::format("{:.1f} B", static_cast<double>(model.n_params) / 1e9),
                     model.license.empty() ? "" : " · " + escape(model.license), model.n_ctx, model.n_ctx_train);
  for (const auto& note : model.notes) out += fmt::format("<p>{}</p>\n", escape(note));
  if (model.quants.empty()) return;
  out += fmt::format(
      "<div class=\"scroll\"><table class=\"sortable\"><caption hidden>Quantisations of "
      "{}</caption><thead><tr>{}<th>Notes</th></tr></thead><tbody>\n",
      escape(model.name), k_columns);
  for (std::size_t i = 0; i < model.quants.size(); ++i) {
    out += model.best == i ? "<tr class=\"best\">" : "<tr>";
    row_cells(out, model.quants[i]);
    std::string notes;
    for (const auto& note : model.quants[i].notes) notes += (notes.empty() ? "" : "; ") + escape(note);
    out += fmt::format("<td class=\"wrap\">{}{}</td></tr>\n", model.best == i ? "best pick" : "",
                       model.best == i && !notes.empty() ? "; " + notes : notes);
  }
  out += "</tbody></table></div>\n";
}

void list_section(std::string& out, const Report& report)
{
  out += fmt::format(
      "<h2>Models</h2>\n<div class=\"scroll\"><table class=\"sortable\"><caption hidden>Models on this "
      "machine</caption><thead><tr><th>Model</th>"
      "<th class=\"number\">Parameters, B</th>{}</tr></thead><tbody>\n",
      k_columns);
  for (const auto& model : report.models) {
    out += fmt::format("<tr><td title=\"{}\">{}</td><td class=\"number\">{:.1f}</td>", escape(model.id), escape(model.name),
                       static_cast<double>(model.n_params) / 1e9);
    if (model.best && *model.best < model.quants.size()) {
      row_cells(out, model.quants[*model.best]);
    } else {
      out +=
          "<td></td><td class=\"number\" data-order=\"-1\"></td><td></td><td class=\"number\" data-order=\"-1\"></td><td "
          "class=\"number\" data-order=\"0\"></td>"
          "<td data-order=\"-1\"><span class=\"grade\">?</span></td>";
    }
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n";
}

/// Bars of one device: a row of GiB per part for each labelled run.
struct DeviceBars {
  std::string title;
  std::vector<std::string> labels;
  std::vector<std::array<double, 7>> rows;
};

std::array<double, 7> parts_gib(const MemoryParts& p)
{
  std::array<double, 7> out{};
  const std::array<Bytes, 7> parts = {p.weights, p.kv_cache,  p.recurrent_state, p.compute,
                                      p.output,  p.projector, p.runtime_overhead};
  std::ranges::transform(parts, out.begin(), [](Bytes b) { return to_gib(b).value; });
  return out;
}

void add_bars(std::vector<DeviceBars>& bars, const std::string& label, const QuantReport& row)
{
  for (const auto& device : row.devices) {
    const auto title = fmt::format("{} ({}), budget {} GiB", device.device, device.name, gib(device.budget));
    auto found = std::ranges::find(bars, title, &DeviceBars::title);
    if (found == bars.end()) found = bars.insert(bars.end(), DeviceBars{title, {}, {}});
    found->labels.push_back(label);
    found->rows.push_back(parts_gib(device.parts));
  }
}

/// What the charts show: every quantisation of one model, or the first models of a list.
std::vector<DeviceBars> bars_of(const Report& report)
{
  constexpr std::size_t k_most_bars = 20;  // a chart that fits a screen
  std::vector<DeviceBars> bars;
  if (report.models.size() == 1) {
    for (const auto& row : report.models.front().quants)
      add_bars(bars, row.quant_label.value_or(std::string(name(row.quant))), row);
    return bars;
  }
  std::size_t shown = 0;
  for (const auto& model : report.models) {
    if (!model.best || *model.best >= model.quants.size() || shown++ == k_most_bars) continue;
    add_bars(bars, model.name, model.quants[*model.best]);
  }
  return bars;
}

void charts_section(std::string& out, const std::vector<DeviceBars>& bars)
{
  if (!bars.empty()) out += "<h2>Memory per device</h2>\n";
  nlohmann::json data = nlohmann::json::array();
  for (std::size_t i = 0; i < bars.size(); ++i) {
    out += fmt::format(
        "<h3>{}</h3>\n<div class=\"chart\" style=\"height:{}rem\"><canvas id=\"chart-{}\" role=\"img\" aria-label=\"Memory parts "
        "on {}\"></canvas></div>\n",
        escape(bars[i].title), 6 + 2 * bars[i].labels.size(), i, escape(bars[i].title));
    data.push_back({{"labels", bars[i].labels}, {"rows", bars[i].rows}});
  }
  out += fmt::format("<script type=\"application/json\" id=\"memory\">{}</script>\n", json_for_script(data));
}

void script(std::string& out, std::string_view text) { out.append("<script>").append(text).append("</script>\n"); }

}  // namespace

std::string HtmlRenderer::render(const Report& report, const RenderOptions& /*options*/) const
{
  std::string out;
  out.reserve(1 << 20);
  const bool one = report.models.size() == 1;
  const auto title = one ? fmt::format("Can this machine run {}?", escape(report.models.front().name))
                         : std::string("What this machine can run");
  out +=
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src "
      "'unsafe-inline'; img-src data:\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n";
  out += fmt::format("<title>{}</title>\n<style>\n", title);
  out += web_style();
  out += fmt::format(
      "</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n<p class=\"lead\">canirun computes memory tensor by tensor as llama.cpp "
      "allocates it; "
      "grades go from S (plenty of room, fast) to F (does not fit).</p>\n",
      title);
  hardware_card(out, report.hardware);
  if (one) model_section(out, report.models.front());
  else list_section(out, report);
  charts_section(out, bars_of(report));
  out += "</main>\n<footer>Made offline by canirun. With jQuery, DataTables and Chart.js (MIT licence).</footer>\n";
  script(out, web_jquery());
  script(out, web_datatables());
  script(out, web_chart());
  script(out, web_glue());
  out += "</body>\n</html>\n";
  return out;
}

}  // namespace canirun
