#include <fmt/format.h>

#include "csv_cell.hpp"
#include "describe.hpp"
#include "renderers.hpp"
#include "text.hpp"

namespace canirun {

std::string csv_cell(std::string_view raw)
{
  auto text = clean(raw);
  if (!text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos) text.insert(text.begin(), '\'');
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

namespace {

std::string rate(const std::optional<Range>& range, double Range::*part, int digits)
{
  return range ? fmt::format("{:.{}f}", (*range).*part, digits) : "";
}

constexpr std::string_view k_columns =
    "model,name,n_params,n_ctx,quant,best,grade,memory_grade,speed_grade,limited_by,fits,file_bytes,bits_per_weight,mode,"
    "n_gpu_layers,weights_bytes,kv_cache_bytes,recurrent_state_bytes,compute_bytes,output_bytes,projector_bytes,"
    "runtime_overhead_bytes,total_bytes,generation_tps_low,generation_tps,generation_tps_high,prompt_tps,time_to_first_token_s,"
    "max_ctx,note,seconds_low,seconds,seconds_high,times_real_time,settings,file_bytes_at_release\r\n";

void add_rows(std::string& out, const Report& report)
{
  const auto machine = report.machine.empty() ? "" : csv_cell(report.machine) + ",";
  for (const auto& m : report.models) {
    const auto head = fmt::format("{}{},{},{},{}", machine, csv_cell(m.id), csv_cell(m.name), m.n_params, m.n_ctx);
    if (m.quants.empty()) {
      out += fmt::format("{},,,?{:,>23}{},,,,,,\r\n", head, "", csv_cell(m.notes.empty() ? "" : m.notes.front()));
      continue;
    }
    for (std::size_t i = 0; i < m.quants.size(); ++i) {
      const auto& r = m.quants[i];
      const auto& p = r.memory;
      out += fmt::format("{},{},{},{},{},{},{},{},{},{:.4f},{},{},", head, quant_text(r), m.best == i, name(r.grade.letter),
                         name(r.grade.memory), r.grade.speed ? name(*r.grade.speed) : "", name(r.grade.limited_by), r.fits,
                         r.file_bytes.count, r.bits_per_weight.value, name(r.placement.mode), r.placement.n_gpu_layers);
      out += fmt::format("{},{},{},{},{},{},{},{},", p.weights.count, r.caches_known ? std::to_string(p.kv_cache.count) : "",
                         r.caches_known ? std::to_string(p.recurrent_state.count) : "",
                         r.compute_known ? std::to_string(p.compute.count) : "", p.output.count, p.projector.count,
                         p.runtime_overhead.count, p.total().count);
      const auto& s = r.speed;
      out += fmt::format("{},{},{},{},{},{},{}", rate(s.generation_tps, &Range::low, 2),
                         rate(s.generation_tps, &Range::estimate, 2), rate(s.generation_tps, &Range::high, 2),
                         rate(s.prompt_tps, &Range::estimate, 1), rate(s.time_to_first_token_s, &Range::estimate, 3),
                         r.max_ctx ? std::to_string(*r.max_ctx) : "", csv_cell(fmt::format("{}", fmt::join(r.notes, "; "))));
      const auto media = r.media.value_or(MediaRun{});
      out += fmt::format(",{},{},{},{},{},{}\r\n", rate(media.seconds, &Range::low, 2), rate(media.seconds, &Range::estimate, 2),
                         rate(media.seconds, &Range::high, 2), rate(media.times_real_time, &Range::estimate, 2),
                         csv_cell(fmt::format("{}", fmt::join(media.settings, " "))),
                         r.file_bytes_at_release ? std::to_string(r.file_bytes_at_release->count) : "");
    }
  }
}

}  // namespace

/// One row a quantisation; with several machines the first column is the machine.
std::string render_csv(Reports reports, const RenderOptions&)
{
  std::string out;
  for (const auto& report : reports) {
    if (out.empty()) out.append(report.machine.empty() ? "" : "machine,").append(k_columns);
    add_rows(out, report);
  }
  return out;
}

}  // namespace canirun
