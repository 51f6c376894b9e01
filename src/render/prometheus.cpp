#include <algorithm>
#include <fmt/format.h>

#include "describe.hpp"
#include "renderers.hpp"
#include "text.hpp"

namespace canirun {

namespace {

/// A label's value in the text format: backslash, quote and line break are escaped.
std::string label(std::string_view text)
{
  std::string out;
  for (const char c : clean(text)) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

void family(std::string& out, std::string_view metric, std::string_view help)
{
  out += fmt::format("# HELP canirun_{0} {1}\n# TYPE canirun_{0} gauge\n", metric, help);
}

/// `machine="name",` where several are reported.
std::string machine_label(const Report& report)
{
  return report.machine.empty() ? "" : fmt::format("machine=\"{}\",", label(report.machine));
}

/// One sample for the best row of each model; `value` returns nothing where there is none.
template <typename Value>
void model_metric(std::string& out, Reports reports, std::string_view metric, std::string_view help, Value value)
{
  family(out, metric, help);
  for (const auto& report : reports) {
    for (const auto& m : report.models) {
      if (!m.best) continue;
      const auto& row = m.quants[*m.best];
      if (const std::string sample = value(row); !sample.empty()) {
        out += fmt::format("canirun_{}{{{}model=\"{}\",quant=\"{}\"}} {}\n", metric, machine_label(report), label(m.id),
                           label(quant_text(row)), sample);
      }
    }
  }
}

/// One sample for each GPU that has the figure.
void gpu_metric(std::string& out, Reports reports, std::string_view metric, std::string_view help, OptionalFigure Gpu::*figure)
{
  family(out, metric, help);
  for (const auto& report : reports) {
    const auto& gpus = report.hardware.gpus;
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      const auto& f = gpus[i].*figure;
      if (!f) continue;
      out += fmt::format("canirun_{}{{{}gpu=\"{}\",name=\"{}\"}} {}\n", metric, machine_label(report), i, label(gpus[i].name),
                         f->bytes().count);
    }
  }
}

/// One sample for each machine; `value` returns nothing where there is none.
template <typename Value>
void machine_metric(std::string& out, Reports reports, std::string_view metric, std::string_view help, Value value)
{
  family(out, metric, help);
  for (const auto& report : reports) {
    const auto machine = report.machine.empty() ? "" : fmt::format("{{machine=\"{}\"}}", label(report.machine));
    if (const std::optional<std::uint64_t> sample = value(report.hardware)) out += fmt::format("canirun_{}{} {}\n", metric, machine, *sample);
  }
}

std::optional<std::uint64_t> count_of(const std::optional<Bytes>& bytes) { return bytes ? std::optional(bytes->count) : std::nullopt; }

void hardware_metrics(std::string& out, Reports reports)
{
  family(out, "build_info", "Version of the program that wrote these figures.");
  out += fmt::format("canirun_build_info{{version=\"{}\"}} 1\n", CANIRUN_VERSION);
  // Written anew with every probe: that the file is old shows as node_textfile_mtime_seconds.
  machine_metric(out, reports, "probe_healthy", "1 if the memory of the machine and of each GPU is known.",
                 [](const HardwareProfile& hw) -> std::optional<std::uint64_t> {
                   const bool gpus = std::ranges::all_of(hw.gpus, [](const Gpu& g) { return g.memory_total.has_value(); });
                   return hw.memory.total && gpus ? 1 : 0;
                 });
  machine_metric(out, reports, "probe_notes", "Remarks of the probe: drivers that do not answer, figures that were dropped.",
                 [](const HardwareProfile& hw) { return std::optional<std::uint64_t>(hw.notes.size()); });
  gpu_metric(out, reports, "gpu_memory_bytes", "Memory of a GPU.", &Gpu::memory_total);
  gpu_metric(out, reports, "gpu_memory_free_bytes", "Memory of a GPU that is free now.", &Gpu::memory_free);
  machine_metric(out, reports, "ram_bytes", "Memory of the machine.", [](const HardwareProfile& hw) { return count_of(hw.memory.total); });
  machine_metric(out, reports, "ram_available_bytes", "Memory of the machine that is available now.",
                 [](const HardwareProfile& hw) { return count_of(hw.memory.available); });
}

}  // namespace

std::string render_prometheus(Reports reports, const RenderOptions&)
{
  std::string out;
  hardware_metrics(out, reports);
  model_metric(out, reports, "model_grade", "Grade of the best quantisation: 5 = S, 4 = A, 3 = B, 2 = C, 1 = D, 0 = F.",
               [](const QuantReport& r) { return fmt::format("{}", static_cast<int>(r.grade.letter)); });
  model_metric(out, reports, "model_fits", "1 if the best quantisation fits.",
               [](const QuantReport& r) { return std::string(r.fits ? "1" : "0"); });
  model_metric(out, reports, "model_seconds_per_generation", "Estimated seconds for one image or video.", [](const QuantReport& r) {
    return r.media && r.media->seconds ? fmt::format("{:.2f}", r.media->seconds->estimate) : "";
  });
  model_metric(out, reports, "model_memory_bytes", "Memory that a run needs, all devices.",
               [](const QuantReport& r) { return fmt::format("{}", r.memory.total().count); });
  model_metric(out, reports, "model_generation_tokens_per_second", "Estimated text generation.", [](const QuantReport& r) {
    return r.speed.generation_tps ? fmt::format("{:.2f}", r.speed.generation_tps->estimate) : "";
  });
  model_metric(out, reports, "model_max_context_tokens", "Largest context that fits.",
               [](const QuantReport& r) { return r.max_ctx ? fmt::format("{}", *r.max_ctx) : ""; });
  return out;
}

}  // namespace canirun
