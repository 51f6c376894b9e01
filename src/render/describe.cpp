#include "describe.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "text.hpp"

namespace canirun {

namespace {

std::string gpu_text(const Gpu& gpu, std::size_t count, const Style& style)
{
  auto text = count > 1 ? fmt::format("{} {} {}", count, style.times(), clean(gpu.name, !style.unicode))
                        : clean(gpu.name, !style.unicode);
  text += style.dot();
  text += gpu.memory_total ? size_text(gpu.memory_total->bytes()) : "memory unknown";
  if (count > 1) text += " each";
  if (gpu.unified_memory) text += ", shared with RAM";
  if (gpu.memory_free && gpu.memory_total && count == 1) text += fmt::format(", {} free", size_text(gpu.memory_free->bytes()));
  if (gpu.bandwidth) text += fmt::format("{}{}", style.dot(), bandwidth_text(gpu.bandwidth->value));
  return text;
}

std::string ram_text(const Memory& memory, const Style& style)
{
  std::string text = memory.total ? size_text(*memory.total) : "size unknown";
  if (memory.limit && (!memory.total || *memory.limit < *memory.total))
    text += fmt::format(", limited to {}", size_text(*memory.limit));
  if (memory.available) text += fmt::format(", {} available", size_text(*memory.available));
  if (memory.bandwidth) {
    text += fmt::format("{}{}", style.dot(), bandwidth_text(memory.bandwidth->value));
    if (memory.bandwidth->confidence == FigureConfidence::assumed) text += " assumed";
  }
  return text;
}

std::string cpu_text(const Cpu& cpu, const Style& style)
{
  std::string text = cpu.model.empty() ? "unknown processor" : clean(cpu.model, !style.unicode);
  const auto cores = cpu.usable_cores ? cpu.usable_cores : cpu.physical_cores;
  if (cores) text += fmt::format("{}{} core{}", style.dot(), *cores, *cores == 1 ? "" : "s");
  for (const std::string_view isa : {"amx_int8", "avx512f", "avx2", "avx", "sve2", "sve", "neon"}) {
    if (std::ranges::find(cpu.isa, isa) == cpu.isa.end()) continue;
    text += fmt::format("{}{}", style.dot(), isa);
    break;
  }
  return text;
}

}  // namespace

std::vector<std::string> machine_lines(const HardwareProfile& hardware, const Style& style)
{
  std::vector<std::string> lines;
  const auto& gpus = hardware.gpus;
  for (std::size_t i = 0; i < gpus.size();) {
    std::size_t count = 1;
    while (i + count < gpus.size() && gpus[i + count].name == gpus[i].name && gpus[i + count].type == gpus[i].type) ++count;
    lines.push_back("GPU  " + gpu_text(gpus[i], count, style));
    i += count;
  }
  if (gpus.empty()) lines.push_back("GPU  none found");
  lines.push_back("CPU  " + cpu_text(hardware.cpu, style));
  lines.push_back("RAM  " + ram_text(hardware.memory, style));
  return lines;
}

std::string quant_text(const QuantReport& row) { return row.quant_label.value_or(std::string(name(row.quant))); }

std::string where_text(const QuantReport& row)
{
  const auto& p = row.placement;
  if (!row.fits) return "does not fit";
  if (p.gpus.empty()) return "CPU";
  auto gpus = p.gpus.size() == 1 ? std::string("GPU") : fmt::format("{} GPUs", p.gpus.size());
  if (row.media && p.mode == Placement::Mode::split) return gpus + " + RAM";
  if (p.n_cpu_moe > 0) return gpus + ", experts in RAM";
  if (p.mode == Placement::Mode::split) return fmt::format("{} {}/{} + RAM", gpus, p.n_gpu_layers, p.n_layers + 1);
  return gpus;
}

namespace {

std::string times_text(double times) { return rate_text(times) + "x"; }

}  // namespace

std::string speed_unit(const ModelReport& model)
{
  if (model.quants.empty() || !model.quants.front().media) return "t/s";
  switch (model.quants.front().media->unit) {
    case MediaRun::Unit::image: return "s/image";
    case MediaRun::Unit::video: return "s/video";
    case MediaRun::Unit::speech: return "real time";
  }
  return "t/s";
}

std::string speed_text(const QuantReport& row)
{
  if (row.media) {
    if (row.media->seconds) return rate_text(row.media->seconds->estimate) + " s";
    return row.media->times_real_time ? times_text(row.media->times_real_time->estimate) : "?";
  }
  return row.speed.generation_tps ? rate_text(row.speed.generation_tps->estimate) : "?";
}

std::string speed_range_text(const QuantReport& row, const Style& style)
{
  if (row.media) {
    const auto& m = *row.media;
    if (m.seconds) return fmt::format("{}{}{} s", rate_text(m.seconds->low), style.dash(), rate_text(m.seconds->high));
    if (!m.times_real_time) return "?";
    return fmt::format("{}{}{}", times_text(m.times_real_time->low), style.dash(), times_text(m.times_real_time->high));
  }
  const auto& speed = row.speed.generation_tps;
  return speed ? fmt::format("{}{}{}", rate_text(speed->low), style.dash(), rate_text(speed->high)) : "?";
}

double headroom_share(const QuantReport& row)
{
  double share = 1;
  for (const auto& d : row.devices) {
    if (d.parts.total().count == 0 || d.budget.count == 0) continue;
    share = std::min(share, static_cast<double>(d.headroom_bytes()) / static_cast<double>(d.budget.count));
  }
  return share;
}

}  // namespace canirun
