#include "operator_facts.hpp"

#include <algorithm>
#include <cmath>

namespace canirun {

namespace {

/// The nearest GiB: cards and memory report a little less than their nominal size.
std::uint64_t whole_gib(Bytes bytes) { return static_cast<std::uint64_t>(std::llround(to_gib(bytes).value)); }

}  // namespace

OperatorFacts operator_facts(const HardwareProfile& hardware)
{
  OperatorFacts facts;
  const bool discrete = std::ranges::any_of(hardware.gpus, [](const Gpu& g) { return g.type == GpuType::discrete; });
  for (const auto& gpu : hardware.gpus) {
    if (gpu.type == GpuType::cpu || (discrete && gpu.type == GpuType::integrated)) continue;
    const auto gib = gpu.memory_total ? whole_gib(gpu.memory_total->bytes()) : 0;
    facts.vram_gib = facts.gpus.empty() ? gib : std::min(facts.vram_gib, gib);
    facts.vram_total_gib += gib;
    facts.unified = facts.unified || gpu.unified_memory;
    facts.gpus.push_back(gpu);
  }
  auto ram = hardware.memory.total;
  if (hardware.memory.limit) ram = ram ? std::min(*ram, *hardware.memory.limit) : hardware.memory.limit;
  if (ram) facts.ram_gib = whole_gib(*ram);
  facts.cores = hardware.cpu.usable_cores.value_or(hardware.cpu.physical_cores.value_or(0));
  return facts;
}

}  // namespace canirun
