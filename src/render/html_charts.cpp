#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "describe.hpp"
#include "html_sections.hpp"
#include "html_text.hpp"
#include "markup.hpp"
#include "text.hpp"

namespace canirun {

namespace {

constexpr std::size_t k_parts = 7;
constexpr std::array<std::string_view, k_parts> k_part_names = {"weights", "KV cache",  "recurrent state", "compute",
                                                                "output",  "projector", "runtime"};
/// A chart of more bars does not fit a screen.
constexpr std::size_t k_most_bars = 20;

using Parts = std::array<double, k_parts>;

/// Bars of one device: GiB of each part for each labelled run.
struct DeviceBars {
  std::string title;
  double budget = 0;
  std::vector<std::string> labels;
  std::vector<Parts> rows;
};

Parts parts_of(const MemoryParts& p)
{
  const std::array<Bytes, k_parts> parts = {p.weights, p.kv_cache,  p.recurrent_state, p.compute,
                                            p.output,  p.projector, p.runtime_overhead};
  Parts out{};
  std::ranges::transform(parts, out.begin(), [](Bytes b) { return to_gib(b).value; });
  return out;
}

void add_bars(std::vector<DeviceBars>& bars, const std::string& machine, const std::string& label, const QuantReport& row)
{
  for (const auto& device : row.devices) {
    const auto title = fmt::format("{}{} {}", machine.empty() ? "" : machine + ": ",
                                   device.device == "host" ? "RAM" : device.device, device.device == "host" ? "" : device.name);
    auto found = std::ranges::find(bars, title, &DeviceBars::title);
    if (found == bars.end()) found = bars.insert(bars.end(), DeviceBars{title, to_gib(device.budget).value, {}, {}});
    found->labels.push_back(label);
    found->rows.push_back(parts_of(device.parts));
  }
}

/// What the charts show: every quantisation of one model, or the first models of a list; of several machines the best picks.
std::vector<DeviceBars> bars_of(Reports reports)
{
  std::vector<DeviceBars> bars;
  for (const auto& report : reports) {
    if (report.models.size() == 1) {
      for (const auto& row : report.models.front().quants) add_bars(bars, report.machine, quant_text(row), row);
      continue;
    }
    std::size_t shown = 0;
    for (const auto& model : report.models) {
      if (!model.best || !model.quants[*model.best].fits || shown++ == k_most_bars) continue;
      const auto& row = model.quants[*model.best];
      add_bars(bars, report.machine, fmt::format("{} {}", model.name, quant_text(row)), row);
    }
  }
  return bars;
}

/// The chart in words, inside the canvas: for those who hear the page, and where scripts do not run.
std::string in_words(const DeviceBars& device)
{
  std::string out = "<ul>";
  for (std::size_t i = 0; i < device.rows.size(); ++i) {
    out += fmt::format("<li>{}: ", escape_markup(device.labels[i]));
    for (std::size_t p = 0, listed = 0; p < k_parts; ++p) {
      if (device.rows[i][p] >= 0.05)
        out += fmt::format("{}{} {:.1f} GiB", listed++ > 0 ? ", " : "", k_part_names[p], device.rows[i][p]);
    }
    out += "</li>";
  }
  return out + "</ul>";
}

}  // namespace

void html_charts(std::string& out, Reports reports)
{
  const auto bars = bars_of(reports);
  if (!bars.empty()) out += "<h2>Memory per device</h2>\n";
  nlohmann::json devices = nlohmann::json::array();
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const auto& device = bars[i];
    out += fmt::format(
        "<h3>{0} <small>may use {1:.1f} GiB</small></h3>\n<div class=\"chart\" style=\"height:{2:.1f}rem\"><canvas "
        "id=\"chart-{3}\" "
        "role=\"img\" aria-label=\"Memory on {0}\">{4}</canvas></div>\n",
        escape_markup(device.title), device.budget, 5 + 1.4 * static_cast<double>(device.labels.size()), i, in_words(device));
    devices.push_back({{"labels", device.labels}, {"rows", device.rows}, {"budget", device.budget}});
  }
  const nlohmann::json data{{"parts", k_part_names}, {"devices", std::move(devices)}};
  out += fmt::format("<script type=\"application/json\" id=\"memory\">{}</script>\n", json_for_script(data));
}

}  // namespace canirun
