#pragma once

#include <span>
#include <vector>

#include "arch/arch.hpp"
#include "cache.hpp"
#include "canirun/core/memory.hpp"
#include "canirun/core/model.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/core/workload.hpp"
#include "graph/schedule.hpp"
#include "plan_sums.hpp"

/// \file
/// The parts of estimate_memory, one function each (docs/memory-model.md).

namespace canirun {

/// Devices as the scheduler numbers them, for a model at a placement: GPUs in order, then the host.
ScheduleRequest schedule_request(const ModelSpec& model, const Workload& workload, const Placement& placement);

/// Bytes of weights on each device.
std::vector<Bytes> weight_bytes(const PlanWeights& weights, const ScheduleRequest& devices);

struct CacheBytes {
  Bytes kv, state;
};
/// Bytes of caches and states on each device.
std::vector<CacheBytes> cache_bytes(const CacheLayers& caches, const ScheduleRequest& devices);

/// The logits (and embeddings) that a context keeps on the host from its start (llama_context::output_reserve).
Bytes output_bytes(const ModelSpec& model, const Workload& workload, const RunShape& shape, const ScheduleRequest& devices);

/// What flash attention "auto" becomes (llama_context::resolve_fused_ops), or what was asked for where that decides.
bool resolve_flash_attention(const ModelSpec& model, const TensorPlan& plan, const Workload& workload,
                             const ScheduleRequest& devices);

/// Compute buffers of each device, and the most of them that is in use at once. Empty where the family has no graph here.
struct ComputeBytes {
  std::vector<Bytes> buffers, alive;
};
ComputeBytes compute_bytes(const ModelSpec& model, const TensorPlan& plan, const Workload& workload, bool flash_attn,
                                 const ScheduleRequest& devices);

/// A number for types that every backend which can hold them supports alike (backend_rules.cpp: supports).
std::uint64_t type_kind(TensorType type);

/// What replaying the graph decides.
struct GraphBytes {
  bool flash_attn = true;
  std::vector<Bytes> compute;  ///< Of each device; empty where the family has no graph here.
  std::vector<Bytes> alive;    ///< Of it, the most that is in use at once.
};
GraphBytes graph_bytes(const ModelSpec& model, const TensorPlan& plan, const Workload& workload, const ScheduleRequest& devices);

/// The estimate once the graph's part is known: sums over weights and caches only.
MemoryEstimate assemble_memory(const ModelSpec& model, const PlanWeights& weights, const CacheLayers& caches,
                               const Workload& workload, const ScheduleRequest& devices, const GraphBytes& graph);

/// Backend context and process: in none of llama.cpp's own figures.
Bytes gpu_overhead(Backend backend);
Bytes host_overhead(const ModelSpec& model);

}  // namespace canirun
