#include "canirun/core/memory.hpp"

#include "memory_model.hpp"

namespace canirun {

MemoryParts MemoryEstimate::total() const
{
  auto sum = host;
  for (const auto& gpu : gpus) sum += gpu;
  return sum;
}

MemoryEstimate estimate_memory(const ModelSpec& model, const TensorPlan& plan, const Workload& workload, const Placement& placement)
{
  const auto shape = resolve(workload, model);
  const auto devices = schedule_request(model, plan, workload, placement);
  MemoryEstimate estimate;
  estimate.flash_attn = resolve_flash_attention(model, plan, workload, devices);
  const auto weights = weight_bytes(model, plan, devices);
  const auto caches = cache_bytes(model, workload, shape, estimate.flash_attn, devices);
  const auto compute = compute_bytes(model, plan, workload, estimate.flash_attn, devices);
  estimate.compute_known = !compute.empty();

  estimate.gpus.resize(devices.n_gpus);
  for (std::size_t i = 0; i <= devices.n_gpus; ++i) {
    auto& parts = i < devices.n_gpus ? estimate.gpus[i] : estimate.host;
    parts.weights = weights[i];
    parts.kv_cache = caches[i].kv;
    parts.recurrent_state = caches[i].state;
    if (estimate.compute_known) parts.compute = compute[i];
    parts.runtime_overhead = i < devices.n_gpus ? gpu_overhead(devices.backend) : host_overhead(model);
  }
  estimate.host.output = output_bytes(model, workload, shape);
  return estimate;
}

}  // namespace canirun
