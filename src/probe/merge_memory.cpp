#include <fmt/format.h>

#include <algorithm>

#include "probe/identity.hpp"
#include "probe/merge.hpp"
#include "probe/plausible.hpp"

namespace canirun {

namespace {

struct Candidate {
  Bytes value;
  std::string source;
  FigureConfidence confidence = FigureConfidence::reported;
  std::string reason;
};

Figure bytes_figure(Bytes value, std::string source, FigureConfidence confidence)
{
  return {.value = static_cast<double>(value.count),
          .unit = "B",
          .source = std::move(source),
          .confidence = confidence,
          .alternatives = {}};
}

/// The first candidate that can be; the others stay beside it.
OptionalFigure choose(std::vector<Candidate> candidates, const std::string& subject, const std::string& what, Merged& out)
{
  std::erase_if(candidates, [&](const Candidate& c) {
    if (plausible_size(c.value)) return false;
    out.note(c.source,
             fmt::format("{} of {} by {} is {} bytes, which cannot be; it is not used", what, subject, c.source, c.value.count));
    return true;
  });
  if (candidates.empty()) return std::nullopt;
  const auto& first = candidates.front();
  auto figure = bytes_figure(first.value, first.source, first.confidence);
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    figure.alternatives.push_back({static_cast<double>(candidates[i].value.count), candidates[i].source});
  }
  out.decide(subject, what, fmt::format("{} B by {}", first.value.count, first.source), first.reason);
  return figure;
}

std::optional<Bytes> at_most(std::optional<Bytes> value, std::optional<Bytes> limit)
{
  if (value && limit) return std::min(*value, *limit);
  return value;
}

void add(std::vector<Candidate>& out, std::optional<Bytes> value, std::string source, std::string reason,
         FigureConfidence confidence = FigureConfidence::reported)
{
  if (value) out.push_back({*value, std::move(source), confidence, std::move(reason)});
}

/// A field of the first record of a source.
std::optional<Bytes> of(const DeviceGroup& group, std::string_view source, std::optional<Bytes> DeviceFacts::*field)
{
  const auto* record = record_of(group, source);
  return record != nullptr ? record->*field : std::nullopt;
}

void add_vulkan_totals(std::vector<Candidate>& out, const DeviceGroup& group, GpuType type, std::optional<Bytes> cap)
{
  const auto* kept = kept_vulkan(group);
  const auto add_one = [&](const DeviceFacts& record) {
    if (const auto sum = sum_heaps(record, type)) {
      const auto value = at_most(sum->total, cap);
      const bool capped = value && *value < sum->total;
      add(out, value, record.driver ? fmt::format("vulkan:heaps ({})", *record.driver) : "vulkan:heaps",
          capped ? sum->rule + ", no more than the RAM that may be used" : sum->rule, FigureConfidence::derived);
    }
  };
  if (kept != nullptr) add_one(*kept);
  for (const auto* record : group) {
    if (record->source == "vulkan" && record != kept) add_one(*record);
  }
}

/// What a device with memory of its own has, most trusted first.
std::vector<Candidate> own_totals(const DeviceGroup& group, GpuType type)
{
  std::vector<Candidate> c;
  add(c, of(group, "nvml", &DeviceFacts::memory_total), "nvml:nvmlDeviceGetMemoryInfo", "NVML counts the card's memory itself");
  add(c, of(group, "amdgpu", &DeviceFacts::memory_dedicated), "sysfs:mem_info_vram_total",
      "amdgpu counts the card's memory itself");
  add(c, of(group, "drm", &DeviceFacts::memory_total), "drm:memory regions", "the kernel driver lists the card's memory");
  add(c, of(group, "kfd", &DeviceFacts::memory_total), "kfd:mem_banks", "the compute driver lists the card's memory banks");
  add_vulkan_totals(c, group, type, std::nullopt);
  return c;
}

/// Memory that a GPU shares with the CPU: what its driver may map, within the RAM that may be used.
std::vector<Candidate> shared_totals(const DeviceGroup& group, const Machine& machine, const Gpu& gpu)
{
  std::vector<Candidate> c;
  const auto carve_out = of(group, "amdgpu", &DeviceFacts::memory_dedicated);
  if (carve_out) {
    const auto shared = at_most(of(group, "amdgpu", &DeviceFacts::memory_shared).value_or(Bytes{0}), machine.ram_usable);
    add(c, *carve_out + *shared, "sysfs:mem_info_vram_total+mem_info_gtt_total",
        "the firmware's carve-out, which is not in the RAM's total, and what the GPU may map of the RAM",
        FigureConfidence::derived);
  }
  if (gpu.vendor == "NVIDIA") {
    add(c, machine.ram_usable, "memory:total", "the GPU has no memory of its own and may use all of the RAM",
        FigureConfidence::derived);
  }
  const auto pool = machine.ram_usable ? std::optional(*machine.ram_usable + carve_out.value_or(Bytes{0})) : std::nullopt;
  add_vulkan_totals(c, group, GpuType::integrated, pool);
  add(c, at_most(of(group, "drm", &DeviceFacts::memory_total), pool), "drm:memory regions",
      "the kernel driver lists what the GPU may map");
  add(c, at_most(of(group, "kfd", &DeviceFacts::memory_total), pool), "kfd:mem_banks",
      "the compute driver lists what the GPU may map");
  add(c, at_most(of(group, "nvml", &DeviceFacts::memory_total), pool), "nvml:nvmlDeviceGetMemoryInfo",
      "NVML's figure of a part that shares memory");
  if (c.empty()) {
    add(c, machine.ram_usable, "memory:total", "no driver says how much of the RAM the GPU may map; it shares all of it",
        FigureConfidence::assumed);
  }
  return c;
}

std::vector<Candidate> own_free(const DeviceGroup& group, const Gpu& gpu, const Machine& machine, const std::string& subject,
                                Merged& out)
{
  std::vector<Candidate> c;
  add(c, of(group, "nvml", &DeviceFacts::memory_free), "nvml:nvmlDeviceGetMemoryInfo", "NVML sees what every process holds");
  const auto total = of(group, "amdgpu", &DeviceFacts::memory_dedicated),
             used = of(group, "amdgpu", &DeviceFacts::memory_dedicated_used);
  if (total && used && *used <= *total) {
    add(c, saturating_sub(*total, *used), "sysfs:mem_info_vram_used", "amdgpu sees what every process holds",
        FigureConfidence::derived);
  }
  if (machine.may_read_gpu_counters) {
    add(c, of(group, "drm", &DeviceFacts::memory_free), "drm:memory regions", "the kernel driver sees what every process holds");
  }
  if (const auto* vulkan = kept_vulkan(group)) {
    const auto sum = sum_heaps(*vulkan, gpu.type);
    if (sum && sum->free && gpu.vendor == "Intel" && gpu.type == GpuType::discrete && !machine.may_read_gpu_counters) {
      out.decide(subject, "memory_free", "Vulkan's budget is not used",
                 "without CAP_PERFMON Intel's kernel driver reports all memory as free");
    } else if (sum && sum->free && sum->free->count > 0) {
      add(c, sum->free, "vulkan:VK_EXT_memory_budget", "the driver's budget minus what is in use", FigureConfidence::reported);
    }
  }
  return c;
}

std::vector<Candidate> shared_free(const DeviceGroup& group, const Gpu& gpu, const Machine& machine)
{
  std::vector<Candidate> c;
  const auto carve_out = of(group, "amdgpu", &DeviceFacts::memory_dedicated);
  const auto total = gpu.memory_total ? std::optional(gpu.memory_total->bytes()) : std::nullopt;
  if (carve_out && machine.ram_available) {
    const auto left = saturating_sub(*carve_out, of(group, "amdgpu", &DeviceFacts::memory_dedicated_used).value_or(Bytes{0}));
    const auto gtt = of(group, "amdgpu", &DeviceFacts::memory_shared).value_or(Bytes{0});
    const auto gtt_left = saturating_sub(gtt, of(group, "amdgpu", &DeviceFacts::memory_shared_used).value_or(Bytes{0}));
    add(c, left + std::min(gtt_left, *machine.ram_available), "sysfs:mem_info_*_used+MemAvailable",
        "what is left of the carve-out, and of the mapping limit within the available RAM", FigureConfidence::derived);
  }
  if (const auto* vulkan = kept_vulkan(group); vulkan != nullptr && gpu.vendor != "NVIDIA") {
    const auto sum = sum_heaps(*vulkan, GpuType::integrated);
    const auto cap = machine.ram_available ? std::optional(*machine.ram_available + carve_out.value_or(Bytes{0})) : std::nullopt;
    if (sum && sum->free && sum->free->count > 0) {
      add(c, at_most(sum->free, cap), "vulkan:VK_EXT_memory_budget",
          "the driver's budget minus what is in use, within the available RAM", FigureConfidence::derived);
    }
  }
  add(c, at_most(total, machine.ram_available), "memory:available", "the pool is the RAM, and this much of it is available",
      FigureConfidence::derived);
  return c;
}

}  // namespace

std::optional<HeapSum> sum_heaps(const DeviceFacts& vulkan, GpuType type)
{
  std::vector<MemoryHeap> heaps = vulkan.heaps;
  if (type != GpuType::integrated) std::erase_if(heaps, [](const MemoryHeap& heap) { return !heap.device_local; });
  if (heaps.empty()) return std::nullopt;
  const auto largest = *std::ranges::max_element(heaps, {}, &MemoryHeap::size);
  Bytes sum;
  for (const auto& heap : heaps) sum += heap.size;
  HeapSum out{.total = sum,
              .free = Bytes{0},
              .largest = largest.size,
              .rule = type == GpuType::integrated ? "the sum of all heaps of a GPU that shares memory"
                                                  : "the sum of the device-local heaps"};
  if (type != GpuType::integrated && heaps.size() > 1) {
    // Where the window that the CPU can see is a heap of its own (214–256 MiB), AMD and Intel cut it out of the memory (7.75 + 0.25 GiB),
    // NVIDIA and NVK show a part of it twice. Cards are sold in whole GiB: a sum beyond the next one counts something twice.
    const auto next_gib = align_up(largest.size, 1ULL << 30);
    if (vulkan.vendor_id == k_nvidia || sum > next_gib) {
      heaps = {largest};
      out.total = largest.size;
      out.rule = "the largest device-local heap: the small one lies inside it";
    }
  }
  for (const auto& heap : heaps) {
    out.free = out.free && heap.free ? std::optional(*out.free + *heap.free) : std::nullopt;
  }
  return out;
}

void merge_memory(Gpu& gpu, const DeviceGroup& group, const Machine& machine, const std::string& subject, Merged& out)
{
  const bool shared = gpu.unified_memory;
  gpu.memory_total =
      choose(shared ? shared_totals(group, machine, gpu) : own_totals(group, gpu.type), subject, "memory_total", out);
  const auto bar = of(group, "pci", &DeviceFacts::largest_bar);
  if (!gpu.memory_total && !shared && bar && *bar > Bytes{256ULL << 20} && plausible_size(*bar)) {
    // With resizable BAR the window is the memory rounded up to a power of two, so this is what the card has at most.
    gpu.memory_total = bytes_figure(*bar, "pci:largest BAR", FigureConfidence::assumed);
    out.note("pci",
             fmt::format(
                 "no driver tells the memory of {}; {:.0f} GiB is what its PCI window allows at most: state the size with --vram",
                 gpu.name, to_gib(*bar).value));
  }
  gpu.memory_free = choose(shared ? shared_free(group, gpu, machine) : own_free(group, gpu, machine, subject, out), subject,
                           "memory_free", out);
  if (gpu.memory_free && gpu.memory_total && gpu.memory_free->value > gpu.memory_total->value)
    gpu.memory_free->value = gpu.memory_total->value;
  if (const auto carve_out = of(group, "amdgpu", &DeviceFacts::memory_dedicated);
      shared && carve_out && plausible_size(*carve_out)) {
    gpu.memory_dedicated = bytes_figure(*carve_out, "sysfs:mem_info_vram_total", FigureConfidence::reported);
  }
  const auto reserved = of(group, "nvml", &DeviceFacts::memory_reserved);
  if (!shared && reserved)
    gpu.memory_reserved = bytes_figure(*reserved, "nvml:nvmlDeviceGetMemoryInfo_v2", FigureConfidence::reported);
  const auto* vulkan = kept_vulkan(group);
  const auto heaps = vulkan != nullptr ? sum_heaps(*vulkan, gpu.type) : std::nullopt;
  if (shared && heaps && gpu.memory_total && static_cast<double>(heaps->largest.count) < 0.9 * gpu.memory_total->value) {
    out.note("vulkan", fmt::format("Vulkan divides the memory of {} into heaps; the largest has {:.1f} GiB, and some programs "
                                   "slow down or fail beyond it",
                                   gpu.name, to_gib(heaps->largest).value));
  }
}

}  // namespace canirun
