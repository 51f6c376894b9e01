#include "canirun/core/memory.hpp"

#include "canirun/core/projector.hpp"

#include "memory_model.hpp"

namespace canirun {

MemoryParts MemoryEstimate::total() const
{
  auto sum = host;
  for (const auto& gpu : gpus) sum += gpu;
  return sum;
}

GraphBytes graph_bytes(const ModelSpec& model, const TensorPlan& plan, const Workload& workload, const ScheduleRequest& devices)
{
  const auto flash_attn = resolve_flash_attention(model, plan, workload, devices);
  auto bytes = compute_bytes(model, plan, workload, flash_attn, devices);
  return {flash_attn, std::move(bytes.buffers), std::move(bytes.alive)};
}

MemoryEstimate assemble_memory(const ModelSpec& model, const PlanWeights& plan, const CacheLayers& cache_list,
                               const Workload& workload, const ScheduleRequest& devices, const GraphBytes& graph)
{
  const auto shape = resolve(workload, model);
  MemoryEstimate estimate;
  estimate.flash_attn = graph.flash_attn;
  const auto weights = weight_bytes(plan, devices);
  const auto caches = cache_bytes(cache_list, devices);
  estimate.caches_known = is_known_architecture(model);
  estimate.compute_known = !graph.compute.empty();

  estimate.gpus.resize(devices.n_gpus);
  for (std::size_t i = 0; i <= devices.n_gpus; ++i) {
    auto& parts = i < devices.n_gpus ? estimate.gpus[i] : estimate.host;
    parts.weights = weights[i];
    parts.kv_cache = caches[i].kv;
    parts.recurrent_state = caches[i].state;
    if (estimate.compute_known) parts.compute = graph.compute[i];
    parts.runtime_overhead = i < devices.n_gpus ? gpu_overhead(devices.backend) : host_overhead(model);
  }
  estimate.host.output = output_bytes(model, workload, shape, devices);
  if (workload.projector) {
    const auto bytes = projector_bytes(*workload.projector, model, devices.backend, workload.flash_attn != FlashAttention::off);
    auto& first = estimate.gpus.empty() ? estimate.host : estimate.gpus.front();
    first.projector = bytes.weights + bytes.compute;
    estimate.host.projector += bytes.image;
  }
  return estimate;
}

MemoryEstimate estimate_memory(const ModelSpec& model, const TensorPlan& plan, const Workload& workload,
                               const Placement& placement)
{
  const auto devices = schedule_request(model, workload, placement);
  const PlanLayers layers(model, plan, sites_by_type(plan));
  return assemble_memory(model, plan_weights(model, plan, layers, devices.backend),
                         cache_layers(model, workload, resolve(workload, model)), workload, devices,
                         graph_bytes(model, plan, workload, devices));
}

}  // namespace canirun
