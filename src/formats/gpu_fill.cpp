#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/gpu_table.hpp"
#include "gpu_name.hpp"

namespace canirun {

namespace {

std::vector<std::string> backends_of(const GpuEntry& entry)
{
  if (entry.vendor == "NVIDIA") return {"cuda", "vulkan"};
  if (entry.vendor == "AMD") return {"rocm", "vulkan"};
  if (entry.vendor == "Intel" || entry.vendor == "Qualcomm") return {"vulkan"};
  if (entry.vendor == "Apple") return {"metal"};
  return {};
}

Figure table_figure(const GpuEntry& entry, double value, std::string_view unit)
{
  return {.value = value,
          .unit = std::string(unit),
          .source = "table:" + entry.id,
          .confidence = FigureConfidence::table,
          .alternatives = {}};
}

OptionalFigure bandwidth_figure(const GpuEntry& entry)
{
  if (!entry.bandwidth_gbs) return {};
  auto figure = table_figure(entry, *entry.bandwidth_gbs * 1e9 / entry.dies, "B/s");
  for (const auto other : entry.bandwidth_variants) {
    if (other != *entry.bandwidth_gbs) figure.alternatives.push_back({other * 1e9 / entry.dies, "table:" + entry.id});
  }
  return figure;
}

OptionalFigure rate_figure(const GpuEntry& entry, std::optional<double> tflops)
{
  if (!tflops) return {};
  return table_figure(entry, *tflops / entry.dies, "TFLOP/s");
}

/// A reported figure stays; the table's is kept beside it.
void fill(OptionalFigure& figure, OptionalFigure from_table)
{
  if (!from_table) return;
  if (!figure) {
    figure = std::move(from_table);
  } else if (figure->source != from_table->source) {
    figure->alternatives.push_back({from_table->value, from_table->source});
  }
}

/// The size of an entry nearest to what a driver reports, as a relative difference; drivers report a little less than is sold.
double size_difference(const GpuEntry& entry, Bytes vram)
{
  double best = 1;
  for (const auto gib : entry.vram_gib) {
    const auto each = gib / entry.dies;
    best = std::min(best, std::abs(each - to_gib(vram).value) / each);
  }
  return best;
}

}  // namespace

const GpuEntry* GpuTable::find_pci(std::string_view pci_id, std::optional<Bytes> vram, std::string_view name) const
{
  std::vector<const GpuEntry*> found;
  for (const auto& entry : entries_) {
    if (std::ranges::find(entry.pci_ids, pci_id) != entry.pci_ids.end()) found.push_back(&entry);
  }
  if (found.empty()) return nullptr;

  // One id, several cards: the driver's name decides ("AMD Radeon RX 7900 XTX (RADV NAVI31)"), the longest match first.
  const auto driver = parse_gpu_name(name).key;
  const GpuEntry* named = nullptr;
  std::size_t length = 0;
  for (const auto* entry : found) {
    const auto base = parse_gpu_name(entry->name).base;
    if (!base.empty() && driver.find(base) != std::string::npos && base.size() > length) {
      named = entry;
      length = base.size();
    }
  }
  if (named) {
    const auto base = parse_gpu_name(named->name).base;
    std::erase_if(found, [&](const GpuEntry* e) { return parse_gpu_name(e->name).base != base; });
  }
  if (!vram) return found.front();
  return *std::ranges::min_element(found, {}, [&](const GpuEntry* e) { return size_difference(*e, *vram); });
}

Gpu to_gpu(const GpuEntry& entry, Bytes vram)
{
  Gpu gpu;
  gpu.name = entry.vendor.empty() || entry.name.starts_with(entry.vendor) ? entry.name : entry.vendor + " " + entry.name;
  gpu.vendor = entry.vendor;
  gpu.type = entry.unified ? GpuType::integrated : GpuType::discrete;
  if (!entry.pci_ids.empty()) gpu.pci_id = entry.pci_ids.front();
  gpu.backends = backends_of(entry);
  gpu.unified_memory = entry.unified;
  gpu.architecture = entry.arch;
  gpu.memory_total = table_figure(entry, static_cast<double>(vram.count), "B");
  gpu.bandwidth = bandwidth_figure(entry);
  gpu.fp16_tflops = rate_figure(entry, entry.fp16_tflops);
  gpu.fp32_tflops = rate_figure(entry, entry.fp32_tflops);
  gpu.table_id = entry.id;
  gpu.from_table = true;
  return gpu;
}

void fill_from_table(HardwareProfile& profile, const GpuTable& table)
{
  for (auto& gpu : profile.gpus) {
    if (gpu.type == GpuType::cpu) continue;
    const std::optional<Bytes> vram = gpu.memory_total ? std::optional(gpu.memory_total->bytes()) : std::nullopt;
    const GpuEntry* entry = gpu.pci_id ? table.find_pci(*gpu.pci_id, vram, gpu.name) : nullptr;
    if (!entry) {
      // No PCI id, or one that the table does not know: an exact name will do ("Apple M3 Max", "NVIDIA GB10").
      const auto key = parse_gpu_name(gpu.name).key;
      const auto named = std::ranges::find_if(table.entries(), [&](const GpuEntry& e) {
        const auto is = [&](const std::string& n) { return parse_gpu_name(n).key == key || parse_gpu_name(n).base == key; };
        return !key.empty() && (is(e.name) || std::ranges::any_of(e.aliases, is));
      });
      if (named == table.entries().end()) continue;
      entry = &*named;
    }
    gpu.table_id = entry->id;
    if (gpu.architecture.empty()) gpu.architecture = entry->arch;
    fill(gpu.bandwidth, bandwidth_figure(*entry));
    fill(gpu.fp16_tflops, rate_figure(*entry, entry->fp16_tflops));
    fill(gpu.fp32_tflops, rate_figure(*entry, entry->fp32_tflops));
  }
}

}  // namespace canirun
