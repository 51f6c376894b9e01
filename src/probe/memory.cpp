#include <fmt/format.h>
#include <sys/sysinfo.h>

#include "probe/cgroup.hpp"
#include "probe/host_sources.hpp"

namespace canirun {

namespace {

/// A row "Key:   123 kB" of a meminfo file, in bytes. `prefix` is what node files write before the key ("Node 1 ").
std::optional<Bytes> meminfo(const std::string& text, std::string_view key)
{
  for (const auto row : split(text, '\n')) {
    const auto colon = row.find(':');
    if (colon == std::string_view::npos) continue;
    auto name = row.substr(0, colon);
    if (const auto blank = name.rfind(' '); blank != std::string_view::npos) name.remove_prefix(blank + 1);
    if (name != key) continue;
    auto value = trim(row.substr(colon + 1));
    if (value.ends_with(" kB")) value.remove_suffix(3);
    const auto kib = parse_number(value);
    if (kib && *kib < (1ULL << 53)) return Bytes{*kib * 1024};
  }
  return std::nullopt;
}

/// Memory of the NUMA nodes that are a GPU's (Grace Hopper): the driver names its node in numa_status.
Bytes gpu_node_memory(const Sysroot& sys, Facts& facts)
{
  Bytes sum;
  for (const auto& gpu : sys.list("proc/driver/nvidia/gpus")) {
    const auto text = sys.read("proc/driver/nvidia/gpus/" + gpu + "/numa_status").value_or("");
    for (const auto row : split(text, '\n')) {
      if (!row.starts_with("Node:")) continue;
      const auto node = parse_number(row.substr(5));
      if (!node) continue;
      const auto info = sys.read(fmt::format("sys/devices/system/node/node{}/meminfo", *node)).value_or("");
      const auto size = meminfo(info, "MemTotal").value_or(Bytes{0});
      facts.reading(gpu, fmt::format("NUMA node {} is GPU memory", *node), fmt::format("{}", size.count));
      sum += size;
    }
  }
  return sum;
}

}  // namespace

Result<Facts> MemorySource::read()
{
  Facts facts{.source = "memory"};
  MemoryFacts memory;
  const auto text = sys_.read("proc/meminfo");
  if (text) {
    memory.total = meminfo(*text, "MemTotal");
    memory.available = meminfo(*text, "MemAvailable");
    memory.swap_free = meminfo(*text, "SwapFree");
    for (const auto* key : {"MemTotal", "MemFree", "MemAvailable", "SwapFree"}) {
      if (const auto value = meminfo(*text, key)) facts.reading("", key, fmt::format("{}", value->count));
    }
    if (!memory.available) {
      // Kernels before 3.14: what is free and what the page cache would give back.
      const auto free = meminfo(*text, "MemFree");
      if (free)
        memory.available = *free + meminfo(*text, "Buffers").value_or(Bytes{0}) + meminfo(*text, "Cached").value_or(Bytes{0});
    }
  }
  if (!memory.total && sys_.is_this_machine()) {
    // No /proc (a bare container): the kernel itself knows; what it calls free leaves out what caches would give back.
    struct sysinfo info {};
    if (::sysinfo(&info) == 0 && info.totalram > 0) {
      const std::uint64_t unit = std::max<std::uint64_t>(info.mem_unit, 1);
      memory.total = Bytes{info.totalram * unit};
      memory.available = Bytes{(info.freeram + info.bufferram) * unit};
      memory.swap_free = Bytes{info.freeswap * unit};
      facts.reading("", "sysinfo", fmt::format("total {}, free {}", memory.total->count, memory.available->count));
    }
  }
  if (memory.total) {
    const auto gpu = gpu_node_memory(sys_, facts);
    if (gpu.count > 0) {
      memory.total = saturating_sub(*memory.total, gpu);
      facts.note(fmt::format("{:.1f} GiB of the system's memory is a GPU's own and is not counted as RAM", to_gib(gpu).value));
    }
    if (memory.available) memory.available = std::min(*memory.available, *memory.total);
  }
  memory.limits = cgroup_memory_limits(sys_, facts);
  if (!memory.total && memory.limits.empty()) {
    return fail(ErrorKind::unavailable,
                "/proc/meminfo cannot be read, so the size of the memory is unknown; state it with --ram");
  }
  facts.memory = std::move(memory);
  return facts;
}

}  // namespace canirun
