#include "canirun/core/hardware_json.hpp"

#include <nlohmann/json.hpp>

namespace canirun {

using json = nlohmann::ordered_json;

namespace {

std::string_view name(FigureConfidence confidence)
{
  switch (confidence) {
    case FigureConfidence::reported: return "reported";
    case FigureConfidence::derived: return "derived";
    case FigureConfidence::table: return "table";
    case FigureConfidence::measured: return "measured";
    case FigureConfidence::assumed: return "assumed";
  }
  return "assumed";
}

std::string_view name(GpuType type)
{
  switch (type) {
    case GpuType::discrete: return "discrete";
    case GpuType::integrated: return "integrated";
    case GpuType::virtual_gpu: return "virtual";
    case GpuType::cpu: return "cpu";
  }
  return "discrete";
}

/// A figure's value: sizes are integers in the document, rates keep their fraction.
json number(double value, const std::string& unit)
{
  if (unit == "B" && value >= 0) return static_cast<std::uint64_t>(value);
  return value;
}

json to_json(const OptionalFigure& figure)
{
  if (!figure) return nullptr;
  json alternatives = json::array();
  for (const auto& a : figure->alternatives) {
    alternatives.push_back({{"value", number(a.value, figure->unit)}, {"source", a.source}});
  }
  return {{"value", number(figure->value, figure->unit)},
          {"unit", figure->unit},
          {"source", figure->source},
          {"confidence", name(figure->confidence)},
          {"alternatives", std::move(alternatives)}};
}

template <typename T>
json or_null(const std::optional<T>& value)
{
  if constexpr (std::is_same_v<T, Bytes>) {
    return value ? json(value->count) : json(nullptr);
  } else {
    return value ? json(*value) : json(nullptr);
  }
}

json to_json(const Gpu& gpu)
{
  return {{"name", gpu.name},
          {"vendor", gpu.vendor},
          {"type", name(gpu.type)},
          {"pci_address", or_null(gpu.pci_address)},
          {"pci_id", or_null(gpu.pci_id)},
          {"uuid", or_null(gpu.uuid)},
          {"driver", or_null(gpu.driver)},
          {"backends", gpu.backends},
          {"unified_memory", gpu.unified_memory},
          {"architecture", gpu.architecture},
          {"memory_total", to_json(gpu.memory_total)},
          {"memory_reserved", to_json(gpu.memory_reserved)},
          {"memory_dedicated", to_json(gpu.memory_dedicated)},
          {"memory_free", to_json(gpu.memory_free)},
          {"bandwidth", to_json(gpu.bandwidth)},
          {"fp16_tflops", to_json(gpu.fp16_tflops)},
          {"fp32_tflops", to_json(gpu.fp32_tflops)},
          {"table_id", or_null(gpu.table_id)},
          {"from_table", gpu.from_table}};
}

}  // namespace

json to_json(const HardwareProfile& p)
{
  json gpus = json::array();
  for (const auto& gpu : p.gpus) gpus.push_back(to_json(gpu));
  json notes = json::array();
  for (const auto& note : p.notes) notes.push_back({{"source", note.source}, {"text", note.text}});
  json host = json::object();
  if (p.host.name) host["name"] = *p.host.name;
  host.update({{"os", p.host.os},
               {"kernel", p.host.kernel},
               {"arch", p.host.arch},
               {"container", or_null(p.host.container)},
               {"wsl", p.host.wsl}});
  return {{"schema", "canirun.hardware/1"},
          {"host", std::move(host)},
          {"cpu",
           {{"model", p.cpu.model},
            {"physical_cores", or_null(p.cpu.physical_cores)},
            {"logical_cores", or_null(p.cpu.logical_cores)},
            {"usable_cores", or_null(p.cpu.usable_cores)},
            {"performance_cores", or_null(p.cpu.performance_cores)},
            {"isa", p.cpu.isa},
            {"numa_nodes", or_null(p.cpu.numa_nodes)}}},
          {"memory",
           {{"total_bytes", or_null(p.memory.total)},
            {"limit_bytes", or_null(p.memory.limit)},
            {"available_bytes", or_null(p.memory.available)},
            {"swap_free_bytes", or_null(p.memory.swap_free)},
            {"bandwidth", to_json(p.memory.bandwidth)}}},
          {"gpus", std::move(gpus)},
          {"notes", std::move(notes)}};
}

}  // namespace canirun
