#include "memory_cache.hpp"

#include <algorithm>

namespace canirun {

namespace {

/// Types of one kind are supported alike by every backend that can hold them (backend_rules.cpp: supports).
std::uint64_t kind_of(TensorType type)
{
  switch (type) {
    case TensorType::q4_0:
    case TensorType::q4_1:
    case TensorType::q5_0:
    case TensorType::q5_1:
    case TensorType::q8_0: return 1;
    default: return traits(type).quantized ? 2 : 3 + static_cast<std::uint64_t>(type);
  }
}

}  // namespace

void MemoryCache::types_changed(const TensorPlan& plan)
{
  type_kinds_ = types_ = 0xcbf29ce484222325;  // FNV-1a
  for (const auto& t : plan.tensors) {
    // Input tables stay in RAM whatever the placement: where a GPU takes their operation over, it is their copy that counts.
    const auto kind = t.place == TensorPlace::input ? 256 + static_cast<std::uint64_t>(t.type) : kind_of(t.type);
    type_kinds_ = (type_kinds_ ^ kind) * 0x100000001b3;
    types_ = (types_ ^ static_cast<std::uint64_t>(t.type)) * 0x100000001b3;
  }
}

MemoryEstimate MemoryCache::estimate(const TensorPlan& plan, const Workload& workload, const Placement& placement)
{
  const auto devices = schedule_request(model_, plan, workload, placement);
  const bool one_place = placement.gpus.empty() ||
                         (devices.full_offload &&
                          std::ranges::count(devices.weight_host, 0) == static_cast<std::ptrdiff_t>(devices.weight_host.size()));
  Key key{workload.n_ctx,       devices.backend,     devices.n_gpus,
          devices.layer_device, placement.n_cpu_moe, placement.gpus.empty() ? 0
                                                     : one_place            ? type_kinds_
                                                                            : types_};
  auto it = graphs_.find(key);
  if (it == graphs_.end()) it = graphs_.emplace(std::move(key), graph_bytes(model_, plan, workload, devices)).first;
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
