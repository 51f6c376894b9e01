#include "probe/merge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "probe/identity.hpp"
#include "probe/plausible.hpp"

namespace canirun {

namespace {

std::string_view describe(TypeEvidence evidence)
{
  switch (evidence) {
    case TypeEvidence::vulkan: return "Vulkan's deviceType";
    case TypeEvidence::no_own_memory: return "NVML knows no memory of its own";
    case TypeEvidence::compute_capability: return "its CUDA compute capability";
    case TypeEvidence::driver_flag: return "the kernel driver says so";
    case TypeEvidence::structure: return "its place on the bus";
    case TypeEvidence::guess: return "a guess: nothing says otherwise";
  }
  return "";
}

/// The first value that one of the sources has, in their order of trust; only the kept record of Vulkan is asked.
template <typename T>
std::optional<T> first(const DeviceGroup& group, std::optional<T> DeviceFacts::*field,
                       std::initializer_list<std::string_view> sources)
{
  for (const auto source : sources) {
    const auto* record = source == "vulkan" ? kept_vulkan(group) : record_of(group, source);
    if (record != nullptr && record->*field) return record->*field;
  }
  return std::nullopt;
}

std::string dashed(const std::string& uuid)
{
  return fmt::format("{}-{}-{}-{}-{}", uuid.substr(0, 8), uuid.substr(8, 4), uuid.substr(12, 4), uuid.substr(16, 4),
                     uuid.substr(20));
}

void set_type(Gpu& gpu, const DeviceGroup& group, const std::string& subject, Merged& out)
{
  const auto* kept = kept_vulkan(group);
  const DeviceFacts* best = nullptr;
  for (const auto* record : group) {
    if (!record->type || (record->source == "vulkan" && record != kept)) continue;
    if (best == nullptr || record->type_evidence > best->type_evidence) best = record;
  }
  gpu.type = best != nullptr ? *best->type : GpuType::discrete;
  gpu.unified_memory = gpu.type == GpuType::integrated;
  const auto evidence = best != nullptr ? best->type_evidence : TypeEvidence::guess;
  out.decide(subject, "type",
             gpu.unified_memory                 ? "integrated"
             : gpu.type == GpuType::virtual_gpu ? "virtual"
                                                : "discrete",
             std::string(describe(evidence)));
  const bool guessed = evidence == TypeEvidence::guess;
  if (guessed && gpu.unified_memory)
    out.note("probe", fmt::format("{} is taken for a GPU that shares memory with the CPU; no driver says so", gpu.name));
}

void set_bandwidth(Gpu& gpu, const DeviceGroup& group, const std::string& subject, Merged& out)
{
  std::vector<const DeviceFacts*> records;
  for (const auto* record : group) {
    if (!record->bandwidth) continue;
    if (record->bandwidth_of_card && gpu.unified_memory) {
      out.decide(subject, "bandwidth", "not derived", "clock and width do not tell what memory the GPU shares with the CPU");
      continue;
    }
    if (plausible_bandwidth(*record->bandwidth)) {
      records.push_back(record);
    } else {
      out.note(record->source, fmt::format("the memory bandwidth of {} by {} is {:.0f} GB/s, which cannot be; it is not used",
                                           gpu.name, record->source, *record->bandwidth / 1e9));
    }
  }
  if (records.empty()) return;
  // Who measures wants the measured figure; otherwise the drivers' own order stands.
  std::ranges::stable_sort(records, std::ranges::greater{}, &DeviceFacts::bandwidth_measured);
  const auto* best = records.front();
  gpu.bandwidth = Figure{*best->bandwidth,
                         "B/s",
                         best->bandwidth_source,
                         best->bandwidth_measured ? FigureConfidence::measured : FigureConfidence::derived,
                         {}};
  for (std::size_t i = 1; i < records.size(); ++i)
    gpu.bandwidth->alternatives.push_back({*records[i]->bandwidth, records[i]->bandwidth_source});
  out.decide(subject, "bandwidth", fmt::format("{:.0f} GB/s by {}", *best->bandwidth / 1e9, best->bandwidth_source),
             best->bandwidth_measured ? "a copy was measured: a lower bound" : "clock and width of the memory");
}

Gpu merge_device(const DeviceGroup& group, const Machine& machine, const std::string& subject, Merged& out)
{
  Gpu gpu;
  gpu.pci_address = first(group, &DeviceFacts::pci_address, {"pci", "amdgpu", "kfd", "proc-nvidia", "drm", "nvml", "vulkan"});
  if (!gpu.pci_address) {
    // A Vulkan driver whose figures are not kept may still be the one that tells the place.
    const auto placed = std::ranges::find_if(group, [](const DeviceFacts* r) { return r->pci_address.has_value(); });
    if (placed != group.end()) gpu.pci_address = (*placed)->pci_address;
  }
  if (!gpu.pci_address)
    gpu.pci_address =
        group.front()->parent && canonical_pci_address(*group.front()->parent) ? group.front()->parent : std::nullopt;
  gpu.pci_id = first(group, &DeviceFacts::pci_id, {"pci", "nvml", "drm", "kfd", "vulkan"});
  if (const auto uuid = first(group, &DeviceFacts::uuid, {"nvml", "proc-nvidia", "vulkan"})) gpu.uuid = dashed(*uuid);
  gpu.driver = first(group, &DeviceFacts::driver, {"nvml", "proc-nvidia", "vulkan", "pci"});
  gpu.architecture = first(group, &DeviceFacts::architecture, {"nvml", "kfd"}).value_or("");
  const auto vendor_id =
      first(group, &DeviceFacts::vendor_id, {"pci", "nvml", "proc-nvidia", "amdgpu", "kfd", "drm", "vulkan", "device-tree"})
          .value_or(0);
  gpu.vendor = std::string(vendor_name(vendor_id));
  gpu.name = first(group, &DeviceFacts::name, {"device-tree", "nvml", "proc-nvidia", "vulkan", "amdgpu", "kfd"})
                 .value_or(fmt::format("{} GPU{}", gpu.vendor.empty() ? "unknown" : gpu.vendor, gpu.pci_id ? " " + *gpu.pci_id : ""));
  for (const std::string_view backend : {"cuda", "rocm", "vulkan"}) {
    const bool proven = std::ranges::any_of(
        group, [&](const DeviceFacts* r) { return std::ranges::find(r->backends, backend) != r->backends.end(); });
    if (proven) gpu.backends.emplace_back(backend);
  }
  std::string sources;
  for (const auto* record : group)
    sources += (sources.empty() ? "" : ", ") + record->source +
               (record->source == "vulkan" && record->driver ? " (" + *record->driver + ")" : "");
  out.decide(subject, "device", gpu.name, "known to " + sources);
  if (const auto* kept = kept_vulkan(group); kept != nullptr && std::ranges::count(group, "vulkan", &DeviceFacts::source) > 1) {
    out.decide(subject, "Vulkan driver", kept->driver.value_or("unknown"), "several drivers know this card; one record is kept");
  }
  set_type(gpu, group, subject, out);
  merge_memory(gpu, group, machine, subject, out);
  set_bandwidth(gpu, group, subject, out);
  if (!gpu.memory_total) {
    const auto* pci = record_of(group, "pci");
    out.note("probe", fmt::format("no driver tells the memory of {}: {}, or state the size with --vram", gpu.name,
                                  pci != nullptr && pci->asleep ? "wake it with --wake" : "install its driver"));
  }
  return gpu;
}

/// Can programs here open it? A container, or a job of a batch system, sees all of the host's cards in /sys and may use some.
bool is_given(const DeviceGroup& group, const Facts* nvml)
{
  if (kept_vulkan(group) != nullptr || record_of(group, "nvml") != nullptr) return true;
  const auto* pci = record_of(group, "pci");
  if (pci == nullptr || pci->asleep) return true;
  if (pci->vendor_id == k_nvidia) return nvml == nullptr || !nvml->complete || nvml->devices.empty();
  return !pci->node_missing;
}

/// Does anything show that programs can compute on it?
bool counts(const DeviceGroup& group, Merged& out)
{
  const auto* pci = record_of(group, "pci");
  if (pci == nullptr || kept_vulkan(group) != nullptr || record_of(group, "nvml") != nullptr) return true;
  const auto drop = [&](std::string reason) {
    out.decide(pci->pci_address.value_or(""), "device", "not counted", std::move(reason));
    return false;
  };
  if (pci->unusable) return drop("it belongs to a virtual machine");
  if (pci->weak && group.size() == 1) return drop(pci->weak_reason);
  return true;
}

/// The devices that count. Those that this process was not given do not, unless it was given none: then they are what there is to say.
std::vector<DeviceGroup> devices_that_count(std::span<const Facts> facts, Merged& out)
{
  auto groups = group_devices(facts);
  std::erase_if(groups, [&](const DeviceGroup& group) { return !counts(group, out); });
  const auto nvml = std::ranges::find(facts, "nvml", &Facts::source);
  const auto given = [&](const DeviceGroup& group) { return is_given(group, nvml == facts.end() ? nullptr : &*nvml); };
  if (std::ranges::none_of(groups, given)) return groups;
  std::string withheld;
  std::erase_if(groups, [&](const DeviceGroup& group) {
    if (given(group)) return false;
    const auto address = record_of(group, "pci")->pci_address.value_or("");
    out.decide(address, "device", "not counted", "it is in /sys, but its driver or its device node is not given to this process");
    withheld += (withheld.empty() ? "" : ", ") + address;
    return true;
  });
  if (!withheld.empty()) out.note("probe", fmt::format("not given to this process, and not counted: the GPU at {}", withheld));
  return groups;
}

Machine merge_host(std::span<const Facts> facts, Merged& out)
{
  Machine machine;
  auto& p = out.profile;
  for (const auto& f : facts) {
    if (f.host) {
      p.host = f.host->host;
      machine.may_read_gpu_counters = f.host->may_read_gpu_counters;
      machine.container = p.host.container.has_value();
    }
    if (f.cpu) {
      p.cpu = f.cpu->cpu;
      if (f.cpu->quota) {
        const auto quota = static_cast<std::uint32_t>(std::clamp(std::floor(*f.cpu->quota), 1.0, 1e6));
        if (!p.cpu.usable_cores || quota < *p.cpu.usable_cores) {
          p.cpu.usable_cores = quota;
          out.decide("cpu", "usable_cores", fmt::format("{}", quota),
                     fmt::format("a cgroup allows {:.2f} processors' worth of time", *f.cpu->quota));
        }
      }
      if (p.cpu.performance_cores && p.cpu.usable_cores)
        p.cpu.performance_cores = std::min(*p.cpu.performance_cores, *p.cpu.usable_cores);
    }
    if (f.memory) {
      auto& m = p.memory;
      m = {.total = f.memory->total,
           .limit = {},
           .available = f.memory->available,
           .swap_free = f.memory->swap_free,
           .bandwidth = f.memory->bandwidth};
      for (const auto& limit : f.memory->limits) {
        if (!m.limit || limit.limit < *m.limit) m.limit = limit.limit;
        if (limit.available) m.available = m.available ? std::min(*m.available, *limit.available) : *limit.available;
      }
      if (m.limit && m.available) m.available = std::min(*m.available, *m.limit);
    }
  }
  const auto& m = p.memory;
  const auto size = [](const std::optional<Bytes>& b) { return b ? fmt::format("{} B", b->count) : std::string("unknown"); };
  out.decide("memory", "total", size(m.total), "MemTotal without what is a GPU's own");
  out.decide("memory", "available", size(m.available), "the smallest of MemAvailable and what each cgroup has left");
  if (p.cpu.usable_cores)
    out.decide("cpu", "usable_cores", fmt::format("{}", *p.cpu.usable_cores), "cores within the affinity mask and every cgroup's quota");
  machine.ram_usable = m.total && m.limit ? std::min(*m.total, *m.limit) : m.total ? m.total : m.limit;
  machine.ram_available = m.available;
  if (m.total && m.limit && *m.limit < *m.total) {
    out.note("cgroup", fmt::format("this process may use {:.1f} of the machine's {:.1f} GiB of memory (cgroup limit)",
                                   to_gib(*m.limit).value, to_gib(*m.total).value));
    out.decide("memory", "limit", fmt::format("{} B", m.limit->count), "the smallest limit over all ancestor cgroups");
  }
  return machine;
}

/// Why one runtime sees less than another, in words that say what to do.
void explain_blindness(std::span<const Facts> facts, const Machine& machine, Merged& out)
{
  const auto of = [&](std::string_view source) {
    const auto it = std::ranges::find(facts, source, &Facts::source);
    return it == facts.end() ? nullptr : &*it;
  };
  const auto* vulkan = of("vulkan");
  const auto* nvml = of("nvml");
  const bool sees_nvidia =
      vulkan != nullptr && std::ranges::any_of(vulkan->devices, [](const auto& d) { return d.vendor_id == k_nvidia; });
  if (vulkan != nullptr && nvml != nullptr && !nvml->devices.empty() && !sees_nvidia) {
    out.note("vulkan", machine.container ? "Vulkan sees no NVIDIA GPU here because the container lacks the graphics capability "
                                           "(NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics); NVML was used"
                                         : "Vulkan sees no NVIDIA GPU although NVML does: its Vulkan driver (nvidia_icd.json) is "
                                           "not installed; NVML was used");
  }
  if (vulkan == nullptr || !vulkan->complete) return;
  for (const auto& gpu : out.profile.gpus) {
    if ((gpu.vendor != "AMD" && gpu.vendor != "Intel") || std::ranges::count(gpu.backends, "vulkan") > 0) continue;
    if (std::ranges::any_of(facts, [&](const Facts& f) {
          return std::ranges::any_of(f.devices, [&](const DeviceFacts& d) { return d.asleep && d.pci_address == gpu.pci_address; });
        }))
      continue;
    out.note("vulkan", fmt::format("Vulkan does not see {}: its driver (mesa-vulkan-drivers) is not installed or does not know it", gpu.name));
  }
}

}  // namespace

Merged merge_with_reasons(std::span<const Facts> facts)
{
  Merged out;
  const auto machine = merge_host(facts, out);
  std::vector<Gpu> gpus;
  for (const auto& group : devices_that_count(facts, out)) {
    const auto* front = group.front();
    const auto subject =
        front->pci_address.value_or(front->parent ? "instance of " + *front->parent : front->name.value_or(front->source));
    gpus.push_back(merge_device(group, machine, subject, out));
  }
  // Cards first, then what shares memory; the order of the bus within each. Sorting is stable, so drivers' own order stays.
  const auto rank = [](const Gpu& g) { return g.type == GpuType::discrete ? 0 : g.type == GpuType::virtual_gpu ? 1 : 2; };
  std::ranges::stable_sort(gpus, [&](const Gpu& a, const Gpu& b) {
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    return a.pci_address && (!b.pci_address || *a.pci_address < *b.pci_address);
  });
  out.profile.gpus = std::move(gpus);
  for (const auto& f : facts) out.profile.notes.insert(out.profile.notes.end(), f.notes.begin(), f.notes.end());
  explain_blindness(facts, machine, out);
  return out;
}

HardwareProfile merge(std::span<const Facts> facts) { return merge_with_reasons(facts).profile; }

}  // namespace canirun
