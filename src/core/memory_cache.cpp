#include "memory_cache.hpp"

#include <algorithm>

namespace canirun {

MemoryEstimate MemoryCache::estimate(const TensorPlan& plan, const Workload& workload, const Placement& placement)
{
  const auto devices = schedule_request(model_, plan, workload, placement);
  const bool one_place = placement.gpus.empty() || (devices.full_offload && std::ranges::count(devices.weight_host, 0) ==
                                                                                 static_cast<std::ptrdiff_t>(devices.weight_host.size()));
  if (!one_place) return assemble_memory(model_, plan, workload, devices, graph_bytes(model_, plan, workload, devices));
  const Key key{workload.n_ctx, placement.n_gpu_layers, placement.backend, placement.gpus.size(), placement.split};
  auto it = graphs_.find(key);
  if (it == graphs_.end()) it = graphs_.emplace(key, graph_bytes(model_, plan, workload, devices)).first;
  return assemble_memory(model_, plan, workload, devices, it->second);
}

MemoryEstimate MemoryCache::estimate_like(const TensorPlan& plan, const Workload& workload, const Placement& placement,
                                          const MemoryEstimate& similar) const
{
  GraphBytes graph{similar.flash_attn, {}};
  if (similar.compute_known) {
    for (const auto& gpu : similar.gpus) graph.compute.push_back(gpu.compute);
    graph.compute.resize(placement.gpus.size());
    graph.compute.push_back(similar.host.compute);
  }
  return assemble_memory(model_, plan, workload, schedule_request(model_, plan, workload, placement), graph);
}

}  // namespace canirun
