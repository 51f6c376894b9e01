#include <fmt/format.h>

#include "csv_cell.hpp"
#include "fleet_parts.hpp"

namespace canirun {

std::string render_fleet_csv(const FleetReport& report, const RenderOptions&)
{
  std::string out = "model,n_params,n_ctx,class,hardware,machines,runs,grade,quant,where,memory_bytes,generation_tps,max_ctx,users,hosts\r\n";
  const auto& fleet = report.fleet;
  for (const auto& m : fleet.models) {
    for (std::size_t i = 0; i < fleet.classes.size(); ++i) {
      const auto& c = fleet.classes[i];
      const auto& cell = m.cells[i];
      out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n", csv_cell(m.id), m.n_params, m.n_ctx, c.id, csv_cell(c.name), c.machines,
                         fleet.runs(cell), cell.grade ? name(*cell.grade) : "?", csv_cell(cell.quant), mode_text(cell),
                         cell.grade ? std::to_string(cell.memory.count) : "", cell.tokens_per_second ? fmt::format("{:.2f}", *cell.tokens_per_second) : "",
                         cell.max_ctx ? std::to_string(*cell.max_ctx) : "", cell.users ? std::to_string(*cell.users) : "",
                         csv_cell(fmt::format("{}", fmt::join(c.hosts, " "))));
    }
  }
  return out;
}

}  // namespace canirun
