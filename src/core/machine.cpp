#include "machine.hpp"

#include <algorithm>

namespace canirun {

namespace {

/// The backends of a GPU in the order llama.cpp prefers them; a card that names none has its vendor's.
std::vector<Backend> backends_of(const Gpu& gpu)
{
  std::vector<Backend> known;
  for (const auto backend : {Backend::cuda, Backend::metal, Backend::rocm, Backend::vulkan}) {
    if (std::ranges::find(gpu.backends, name(backend)) != gpu.backends.end()) known.push_back(backend);
  }
  if (!known.empty()) return known;
  if (gpu.vendor == "NVIDIA") return {Backend::cuda, Backend::vulkan};
  if (gpu.vendor == "Apple") return {Backend::metal};
  return {Backend::vulkan};
}

bool supports(const Gpu& gpu, Backend backend)
{
  const auto known = backends_of(gpu);
  return std::ranges::find(known, backend) != known.end();
}

double share_left(Bytes budget, Bytes need)
{
  if (budget.count == 0) return need.count == 0 ? 1 : -1;
  return (static_cast<double>(budget.count) - static_cast<double>(need.count)) / static_cast<double>(budget.count);
}

/// A scheduler of ggml has sixteen backends at most and the CPU is one of them (GGML_SCHED_MAX_BACKENDS; with 16 GPUs llama.cpp stops:
/// ggml-org/llama.cpp#11433).
constexpr std::size_t k_most_gpus = 15;

/// Leaves out the GPUs with the smallest budgets beyond what one run can use; the order stays.
void keep_usable_count(Machine& machine)
{
  auto& gpus = machine.gpus;
  if (gpus.size() <= k_most_gpus) return;
  std::ranges::stable_sort(gpus, [&](std::size_t a, std::size_t b) { return machine.gpu_budget[a] > machine.gpu_budget[b]; });
  machine.gpus_beyond = gpus.size() - k_most_gpus;
  gpus.resize(k_most_gpus);
  std::ranges::sort(gpus);
}

/// The backend that most of the memory of `gpus` can use; ties to the one llama.cpp prefers.
Backend common_backend(const Machine& machine, const std::vector<std::size_t>& gpus)
{
  Backend best = Backend::cpu;
  Bytes most;
  for (const auto backend : {Backend::cuda, Backend::metal, Backend::rocm, Backend::vulkan}) {
    Bytes sum;
    for (const auto i : gpus) {
      if (supports(machine.hardware->gpus[i], backend)) sum += machine.gpu_budget[i];
    }
    if (sum > most) {
      best = backend;
      most = sum;
    }
  }
  return best;
}

}  // namespace

Machine examine(const HardwareProfile& hardware, const Question& question)
{
  Machine machine;
  machine.hardware = &hardware;
  machine.host_budget = host_budget(hardware, question);
  std::vector<std::size_t> discrete, integrated;
  for (std::size_t i = 0; i < hardware.gpus.size(); ++i) {
    const auto& gpu = hardware.gpus[i];
    machine.gpu_budget.push_back(gpu_budget(gpu, hardware, question));
    machine.gpu_own.push_back(own_memory(gpu));
    if (gpu.type == GpuType::cpu || machine.gpu_budget.back().count == 0) continue;
    (gpu.type == GpuType::integrated ? integrated : discrete).push_back(i);
  }
  const auto& candidates = discrete.empty() ? integrated : discrete;
  machine.backend = question.placement.backend.value_or(common_backend(machine, candidates));
  if (machine.backend == Backend::cpu) return machine;
  for (const auto i : candidates) {
    if (supports(hardware.gpus[i], machine.backend)) machine.gpus.push_back(i);
  }
  keep_usable_count(machine);
  if (machine.gpus.empty()) machine.backend = Backend::cpu;
  return machine;
}

Headroom headroom(const Machine& machine, const Placement& placement, const MemoryEstimate& memory)
{
  Headroom h{.share = 1, .gpu_share = 1, .host_budget = machine.host_budget};
  Bytes shared;
  for (std::size_t i = 0; i < placement.gpus.size(); ++i) {
    const auto index = placement.gpus[i];
    const auto need = memory.gpus[i].total();
    if (need.count == 0) continue;
    h.gpu_share = std::min(h.gpu_share, share_left(machine.gpu_budget[index], need));
    shared += saturating_sub(need, machine.gpu_own[index]);
  }
  h.host_budget = saturating_sub(machine.host_budget, shared);
  h.share = std::min(h.gpu_share, share_left(machine.host_budget, shared + memory.host.total()));
  return h;
}

}  // namespace canirun
