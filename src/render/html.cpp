#include "html.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "html_sections.hpp"
#include "html_text.hpp"
#include "markup.hpp"
#include "text.hpp"
#include "verdicts.hpp"
#include "web.hpp"

namespace canirun {

namespace {

/// A list with more named models than these stays a list.
constexpr std::size_t k_most_sections = 10;

/// A figure with where it comes from.
std::string figure(const OptionalFigure& f, double unit, std::string_view suffix)
{
  if (!f) return "unknown";
  return fmt::format("{:.1f} {} <small>({})</small>", f->value / unit, suffix, escape_markup(f->source));
}

void script(std::string& out, std::string_view text) { out.append("<script>").append(text).append("</script>\n"); }

std::string title_of(Reports reports)
{
  const auto& models = reports.front().models;
  if (models.size() == 1) {
    return fmt::format("Can {} run {}?", reports.size() > 1 ? "these machines" : "this machine", models.front().name);
  }
  return reports.size() > 1 ? "What these machines can run" : "What this machine can run";
}

/// The heat maps of named models have more to say than their line in the list.
bool has_sections(const Report& report)
{
  return report.models.size() <= k_most_sections &&
         std::ranges::any_of(report.models, [](const ModelReport& m) { return !m.contexts.empty(); });
}

void body(std::string& out, Reports reports)
{
  out += "<div class=\"machines\">\n";
  std::string_view last;
  for (const auto& report : reports) {
    if (&report != &reports.front() && report.machine == last) continue;  // another rule of a policy for the same machine
    html_machine(out, report);
    last = report.machine;
  }
  out += "</div>\n";
  html_checks(out, reports);
  const bool policy = reports.size() > 1 && !reports.front().checks.empty();
  if (reports.size() > 1 && !policy) html_comparison(out, reports);
  for (const auto& report : reports) {
    if (reports.size() > 1) continue;
    if (report.models.size() != 1) html_list(out, report);
    if (report.models.size() == 1 || has_sections(report)) {
      for (const auto& model : report.models) html_model(out, model);
    }
  }
  html_charts(out, policy ? Reports() : reports);
}

}  // namespace

void html_machine(std::string& out, const Report& report)
{
  const auto& machine = report.hardware;
  out += fmt::format("<section class=\"card\" aria-label=\"{0}\">{1}<dl>\n",
                     report.machine.empty() ? "This machine" : escape_markup(report.machine),
                     report.machine.empty() ? "" : fmt::format("<h2>{}</h2>", escape_markup(report.machine)));
  for (const auto& gpu : machine.gpus) {
    out += fmt::format("<dt>GPU</dt><dd>{} · {} · {}</dd>\n", escape_markup(gpu.name), figure(gpu.memory_total, 0x1p30, "GiB"),
                       figure(gpu.bandwidth, 1e9, "GB/s"));
  }
  if (machine.gpus.empty()) out += "<dt>GPU</dt><dd>none</dd>\n";
  out += fmt::format("<dt>CPU</dt><dd>{}{}</dd>\n", escape_markup(machine.cpu.model),
                     machine.cpu.usable_cores ? fmt::format(" · {} cores", *machine.cpu.usable_cores) : "");
  if (machine.memory.total) {
    out += fmt::format("<dt>RAM</dt><dd>{} GiB{} · {}</dd>\n", gib_text(*machine.memory.total),
                       machine.memory.limit ? fmt::format(", limited to {} GiB", gib_text(*machine.memory.limit)) : "",
                       figure(machine.memory.bandwidth, 1e9, "GB/s"));
  }
  for (const auto& note : machine.notes)
    out += fmt::format("<dt>Note</dt><dd>{} <small>({})</small></dd>\n", escape_markup(note.text), escape_markup(note.source));
  out += "</dl></section>\n";
}

void html_checks(std::string& out, Reports reports)
{
  if (std::ranges::all_of(reports, [](const Report& r) { return r.checks.empty(); })) return;
  out +=
      "<h2>Requirements</h2>\n<div class=\"scroll\"><table class=\"checks\"><caption "
      "class=\"hidden\">Requirements</caption>\n<thead><tr>"
      "<th scope=\"col\">Verdict</th><th scope=\"col\">Checked</th><th scope=\"col\">Asked</th><th scope=\"col\">Found</th>"
      "<th scope=\"col\">Nearest change</th></tr></thead>\n<tbody>\n";
  for (const auto& report : reports) {
    for (const auto& c : report.checks) {
      const auto who = escape_markup(subject(report, c));
      if (c.passed()) out += fmt::format("<tr><td class=\"pass\">pass</td><td>{}</td><td></td><td></td><td></td></tr>\n", who);
      for (const auto& f : c.failures) {
        out += fmt::format(
            "<tr><td class=\"fail\">FAIL</td><td>{}</td><td>{} {}</td><td>{}</td><td class=\"wrap\">{}</td></tr>\n", who,
            escape_markup(f.requirement), escape_markup(f.asked), escape_markup(f.found), escape_markup(advice(c, f)));
      }
    }
  }
  out += "</tbody></table></div>\n";
}

std::string html_page(std::string_view title, std::string_view lead, std::string_view content)
{
  std::string out;
  out.reserve(content.size() + (1 << 20));
  const auto text = escape_markup(title);
  out +=
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src "
      "'unsafe-inline'; img-src data:\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n";
  out += fmt::format("<title>{}</title>\n<style>\n", text);
  out += web_style();
  out += fmt::format("</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n", text, escape_markup(lead));
  out += content;
  out += "</main>\n<footer>Made offline by canirun. With jQuery, DataTables and Chart.js (MIT licence).</footer>\n";
  script(out, web_jquery());
  script(out, web_datatables());
  script(out, web_chart());
  script(out, web_glue());
  out += "</body>\n</html>\n";
  return out;
}

void HtmlRenderer::write(Reports reports, const RenderOptions& /*options*/, const Sink& sink) const
{
  std::string content;
  body(content, reports);
  sink(html_page(
      title_of(reports),
      "Memory is computed tensor by tensor as llama.cpp allocates it. Grades go from S (plenty of room, fast) over A, B, C "
      "and D to F (does not fit).",
      content));
}

}  // namespace canirun
