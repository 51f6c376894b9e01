#include <algorithm>

#include "canirun/core/evaluate.hpp"

/// \file
/// How much memory a run may use on each device (docs/grading.md, "Budget").

namespace canirun {

using namespace literals;

namespace {

// Idle headless cards report 98 % of their size as free (nvidia-smi and vulkaninfo logs); small cards lose about 200 MiB.
constexpr Bytes k_gpu_reserve_min = 200_MiB;
constexpr double k_gpu_reserve_share = 0.02;

// The system and its services: a headless Linux lives in 1 GiB; page tables, caches and desktops grow with the machine.
constexpr Bytes k_ram_reserve_min = 1_GiB;
constexpr double k_ram_reserve_share = 0.06;
constexpr Bytes k_ram_reserve_max = 8_GiB;

// macOS: recommendedMaxWorkingSetSize is 2/3 of the memory up to 36 GiB and 3/4 above (ggml-metal logs it at start).
constexpr Bytes k_apple_small = 36_GiB;

Bytes share_of(Bytes b, double share) { return {static_cast<std::uint64_t>(static_cast<double>(b.count) * share)}; }

/// What the system may give away at all: the smallest of installed memory and every limit.
Bytes usable_ram(const Memory& memory)
{
  auto usable = memory.total ? memory.total : memory.available;
  if (memory.limit) usable = usable ? std::min(*usable, *memory.limit) : *memory.limit;
  return usable.value_or(Bytes{0});
}

Bytes ram_reserve(Bytes usable)
{
  return std::min(std::max(k_ram_reserve_min, share_of(usable, k_ram_reserve_share)), k_ram_reserve_max);
}

Bytes discrete_capacity(const Gpu& gpu, const Question& question)
{
  const auto total = gpu.memory_total ? gpu.memory_total->bytes() : Bytes{0};
  if (question.reserve) return saturating_sub(total, *question.reserve);
  if (gpu.from_table) return total;
  if (gpu.memory_reserved) return saturating_sub(total, gpu.memory_reserved->bytes());
  return saturating_sub(total, std::max(k_gpu_reserve_min, share_of(total, k_gpu_reserve_share)));
}

/// What the driver lets the GPU use of the pool. A driver's own figure stands; a table's is the size of the whole pool.
Bytes unified_limit(const Gpu& gpu)
{
  const auto total = gpu.memory_total ? gpu.memory_total->bytes() : Bytes{0};
  if (gpu.vendor != "Apple" || !gpu.from_table) return total;
  return total <= k_apple_small ? Bytes{total.count / 3 * 2} : Bytes{total.count / 4 * 3};
}

}  // namespace

Bytes host_budget(const HardwareProfile& hardware, const Question& question)
{
  const auto usable = usable_ram(hardware.memory);
  const auto capacity = saturating_sub(usable, question.reserve.value_or(ram_reserve(usable)));
  if (question.budget == BudgetKind::capacity || !hardware.memory.available) return capacity;
  return std::min(capacity, saturating_sub(*hardware.memory.available, question.reserve.value_or(Bytes{0})));
}

Bytes gpu_budget(const Gpu& gpu, const HardwareProfile& hardware, const Question& question)
{
  const auto capacity = gpu.unified_memory ? std::min(unified_limit(gpu), host_budget(hardware, question) + own_memory(gpu))
                                           : discrete_capacity(gpu, question);
  if (question.budget == BudgetKind::capacity || !gpu.memory_free) return capacity;
  return std::min(capacity, saturating_sub(gpu.memory_free->bytes(), question.reserve.value_or(Bytes{0})));
}

Bytes own_memory(const Gpu& gpu)
{
  if (!gpu.unified_memory) return gpu.memory_total ? gpu.memory_total->bytes() : Bytes{0};
  return gpu.memory_dedicated ? gpu.memory_dedicated->bytes() : Bytes{0};
}

}  // namespace canirun
