#include <fmt/format.h>

#include "describe.hpp"
#include "renderers.hpp"
#include "text.hpp"

namespace canirun {

namespace {

void add_rows(std::string& out, const Report& report, const std::string& machine, const RenderOptions& options)
{
  std::size_t rows = 0;
  for (const auto& model : report.models) {
    if (options.limit > 0 && rows == options.limit && report.models.size() > 1) break;
    ++rows;
    if (model.quants.empty()) out += fmt::format("{}{}\t\t?\t\t\t\t\t\n", machine, clean(model.id));
    for (const auto& row : model.quants) {
      out += fmt::format("{}{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", machine, clean(model.id), quant_text(row), name(row.grade.letter),
                         row.memory.total().count, name(row.placement.mode),
                         row.speed.generation_tps ? fmt::format("{:.2f}", row.speed.generation_tps->estimate) : "",
                         row.max_ctx ? std::to_string(*row.max_ctx) : "",
                         row.media && row.media->seconds ? fmt::format("{:.2f}", row.media->seconds->estimate) : "");
    }
  }
}

}  // namespace

/// One row a line, tab-separated, with a header: model, quant, grade, bytes, mode, t/s, largest context. For grep and awk.
std::string render_plain(Reports reports, const RenderOptions& options)
{
  std::string out;
  for (const auto& report : reports) {
    const auto machine = report.machine.empty() ? "" : clean(report.machine) + "\t";
    if (out.empty()) {
      out.append(machine.empty() ? "" : "machine\t").append("model\tquant\tgrade\ttotal_bytes\tmode\tgeneration_tps\tmax_ctx\tseconds\n");
    }
    add_rows(out, report, machine, options);
  }
  return out;
}

}  // namespace canirun
