#include "memory_cache.hpp"

#include "canirun/core/fnv1a.hpp"

namespace canirun {

void MemoryCache::types_changed()
{
  weights_.fill(std::nullopt);
  work_.fill(std::nullopt);
  types_.reset();
}

const PlanWeights& MemoryCache::weights(Backend backend)
{
  auto& known = weights_[static_cast<std::size_t>(backend)];
  if (!known) known = plan_weights(model_, plan_, layers_, backend);
  return *known;
}

const PlanWork& MemoryCache::work(Backend backend)
{
  static_assert(static_cast<std::size_t>(Backend::cpu) == 0);
  auto& known = work_[weights(backend).any_kept ? static_cast<std::size_t>(backend) : 0];
  if (!known) known = plan_work(plan_, layers_, backend);
  return *known;
}

const CacheLayers& MemoryCache::caches(const Workload& workload)
{
  if (!caches_) caches_ = cache_layers(model_, workload, resolve(workload, model_));
  else if (caches_n_ctx_ != workload.n_ctx) set_context(*caches_, model_, workload, resolve(workload, model_));
  caches_n_ctx_ = workload.n_ctx;
  return *caches_;
}

const MemoryCache::TypeHashes& MemoryCache::types()
{
  if (types_) return *types_;
  Fnv1a kinds, all;
  for (const auto& t : plan_.tensors) {
    // Input tables stay in RAM whatever the placement: where a GPU takes their operation over, it is their copy that counts.
    kinds.add(t.place == TensorPlace::input ? 256 + static_cast<std::uint64_t>(t.type) : type_kind(t.type));
    all.add(static_cast<std::uint64_t>(t.type));
  }
  types_ = {kinds.value, all.value};
  return *types_;
}

const GraphBytes& MemoryCache::graph(const Workload& workload, const ScheduleRequest& devices)
{
  Key key{workload.n_ctx, devices.backend, devices.n_gpus, devices.layer_device, devices.n_cpu_moe, 0};
  if (devices.n_gpus > 0) {
    const bool all_on_gpus = devices.full_offload && devices.n_cpu_moe == 0 && !weights(devices.backend).any_kept;
    std::get<5>(key) = all_on_gpus ? types().kinds : types().types;
  }
  auto it = graphs_.find(key);
  if (it == graphs_.end()) it = graphs_.emplace(std::move(key), graph_bytes(model_, plan_, workload, devices)).first;
  return it->second;
}

MemoryEstimate MemoryCache::estimate(const Workload& workload, const Placement& placement)
{
  const auto devices = schedule_request(model_, workload, placement);
  const auto& known = graph(workload, devices);
  return assemble_memory(model_, weights(devices.backend), caches(workload), workload, devices, known);
}

MemoryEstimate MemoryCache::estimate_like(const Workload& workload, const Placement& placement, const MemoryEstimate& similar)
{
  GraphBytes alike{similar.flash_attn, {}, {}};
  if (similar.compute_known) {
    for (const auto& gpu : similar.gpus) alike.compute.push_back(gpu.compute);
    alike.compute.resize(placement.gpus.size());
    alike.compute.push_back(similar.host.compute);
  }
  const auto devices = schedule_request(model_, workload, placement);
  return assemble_memory(model_, weights(devices.backend), caches(workload), workload, devices, alike);
}

MemoryEstimate MemoryCache::at_context(const MemoryEstimate& known, const Workload& workload, const ScheduleRequest& devices)
{
  auto estimate = known;
  const auto caches = cache_bytes(this->caches(workload), devices);
  for (std::size_t i = 0; i < devices.n_gpus; ++i) estimate.gpus[i].kv_cache = caches[i].kv;
  estimate.host.kv_cache = caches.back().kv;
  return estimate;
}

}  // namespace canirun
