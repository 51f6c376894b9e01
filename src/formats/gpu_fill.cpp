#include <algorithm>
#include <cmath>
#include <utility>

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

/// The only size that is sold under a PCI id; nothing when there are several.
std::optional<double> only_size(std::span<const GpuEntry> entries, std::string_view pci_id)
{
  std::optional<double> size;
  for (const auto& entry : entries) {
    if (std::ranges::find(entry.pci_ids, pci_id) == entry.pci_ids.end()) continue;
    for (const auto gib : entry.vram_gib) {
      if (size && *size != gib / entry.dies) return {};
      size = gib / entry.dies;
    }
    if (entry.unified || entry.vram_gib.empty()) return {};
  }
  return size;
}

/// Are all entries under a PCI id that have this much memory one product? Then its name is the card's.
bool is_only_product(std::span<const GpuEntry> entries, std::string_view pci_id, std::optional<Bytes> vram, const GpuEntry& entry)
{
  const auto base = parse_gpu_name(entry.name).base;
  return std::ranges::all_of(entries, [&](const GpuEntry& e) {
    if (std::ranges::find(e.pci_ids, pci_id) == e.pci_ids.end()) return true;
    const bool other_size = vram && !e.vram_gib.empty() && size_difference(e, *vram) > 0.05;
    return other_size || parse_gpu_name(e.name).base == base;
  });
}

/// The entry whose name a board's begins with ("NVIDIA Jetson AGX Orin Developer Kit"), of its versions the one with the nearest memory.
const GpuEntry* find_board(std::span<const GpuEntry> entries, std::string_view name, std::optional<Bytes> vram)
{
  const auto board = parse_gpu_name(name);
  const GpuEntry* best = nullptr;
  std::size_t length = 0;
  for (const auto& entry : entries) {
    const auto words = parse_gpu_name(entry.name).words;
    if (words.size() < 2 || words.size() < length || words.size() > board.words.size()) continue;
    if (!std::ranges::equal(words, std::span(board.words).first(words.size()))) continue;
    const bool nearer = words.size() > length || (vram && size_difference(entry, *vram) < size_difference(*best, *vram));
    if (best == nullptr || nearer) best = &entry;
    length = words.size();
  }
  return best;
}

/// "… MIG 2g.20gb": an instance has so many of the card's seven slices of compute, and its part of the memory's bandwidth.
struct Share {
  double compute = 1, memory = 1;
};
Share instance_share(const Gpu& gpu, const GpuEntry& entry)
{
  const auto at = gpu.name.find(" MIG ");
  if (at == std::string::npos || gpu.name.size() < at + 7 || entry.vram_gib.empty() || !gpu.memory_total) return {};
  const double slices = gpu.name[at + 5] - '0';
  if (slices < 1 || slices > 7 || gpu.name[at + 6] != 'g') return {};
  // Memory has eight slices (NVIDIA's MIG user guide): what the instance is sold with tells how many.
  const double eighths = std::round(8 * to_gib(gpu.memory_total->bytes()).value / entry.vram_gib.back());
  return {slices / 7, std::clamp(eighths, 1.0, 8.0) / 8};
}

void scale(OptionalFigure& figure, double share)
{
  if (!figure) return;
  figure->value *= share;
  for (auto& other : figure->alternatives) other.value *= share;
}

std::string display_name(const GpuEntry& entry)
{
  return entry.vendor.empty() || entry.name.starts_with(entry.vendor) ? entry.name : entry.vendor + " " + entry.name;
}

/// Gives `gpu` the entry's name, in the notes too. What stands in brackets is assumed and left out.
void rename(HardwareProfile& profile, Gpu& gpu, const GpuEntry& entry)
{
  const auto whole = display_name(entry);
  const auto before = std::exchange(gpu.name, whole.substr(0, whole.find(" (")));
  for (auto& note : profile.notes) {
    if (const auto at = note.text.find(before); at != std::string::npos) note.text.replace(at, before.size(), gpu.name);
  }
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
  gpu.name = display_name(entry);
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
    const bool sized = gpu.memory_total && gpu.memory_total->confidence != FigureConfidence::assumed;
    const std::optional<Bytes> vram = gpu.memory_total ? std::optional(gpu.memory_total->bytes()) : std::nullopt;
    const GpuEntry* entry = gpu.pci_id ? table.find_pci(*gpu.pci_id, vram, gpu.name) : nullptr;
    const bool by_id = entry != nullptr;
    if (!entry) {
      // No PCI id, or one that the table does not know: an exact name will do ("Apple M3 Max", "NVIDIA GB10").
      const auto key = parse_gpu_name(gpu.name).key;
      const auto named = std::ranges::find_if(table.entries(), [&](const GpuEntry& e) {
        const auto is = [&](const std::string& n) { return parse_gpu_name(n).key == key || parse_gpu_name(n).base == key; };
        return !key.empty() && (is(e.name) || std::ranges::any_of(e.aliases, is));
      });
      entry = named != table.entries().end() ? &*named : gpu.unified_memory ? find_board(table.entries(), gpu.name, vram) : nullptr;
      if (!entry) continue;
    }
    gpu.table_id = entry->id;
    if (gpu.architecture.empty()) gpu.architecture = entry->arch;
    // A driver that gives no name leaves "NVIDIA GPU 10de:2684".
    if (by_id && gpu.name.ends_with("GPU " + *gpu.pci_id) &&
        is_only_product(table.entries(), *gpu.pci_id, sized ? vram : std::nullopt, *entry))
      rename(profile, gpu, *entry);
    if (const auto gib = by_id && !sized && !gpu.unified_memory ? only_size(table.entries(), *gpu.pci_id) : std::nullopt) {
      auto figure = table_figure(*entry, *gib * 1073741824.0, "B");
      if (gpu.memory_total) figure.alternatives.push_back({gpu.memory_total->value, gpu.memory_total->source});
      gpu.memory_total = std::move(figure);
    }
    const auto share = instance_share(gpu, *entry);
    auto bandwidth = bandwidth_figure(*entry);
    auto fp16 = rate_figure(*entry, entry->fp16_tflops), fp32 = rate_figure(*entry, entry->fp32_tflops);
    scale(bandwidth, share.memory);
    scale(fp16, share.compute);
    scale(fp32, share.compute);
    fill(gpu.bandwidth, std::move(bandwidth));
    fill(gpu.fp16_tflops, std::move(fp16));
    fill(gpu.fp32_tflops, std::move(fp32));
  }
}

}  // namespace canirun
