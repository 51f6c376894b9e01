#include <algorithm>

#include "canirun/core/runtime.hpp"
#include "cache.hpp"
#include "graph/allocate.hpp"
#include "graph/backend_rules.hpp"
#include "memory_model.hpp"

namespace canirun {
namespace {

struct Scratch {
  Graph graph;
  Scheduler scheduler;
  GraphAllocator allocator;
};

Scratch& scratch()
{
  thread_local Scratch one;
  return one;
}

GraphRequest graph_request(const ModelSpec& model, const Workload& w, const RunShape& shape, bool flash_attn)
{
  return {.shape = shape,
          .flash_attn = flash_attn,
          .v_transposed = stores_v_transposed(model, w),
          .type_k = w.cache_type_k,
          .type_v = w.cache_type_v,
          .offload_kqv = w.offload_kqv,
          .swa_full = has_full_windows(w),
          .embeddings = w.embeddings};
}

/// Weights that stay in RAM whatever the device of their layer: experts of --cpu-moe, what the GPU cannot use.
std::vector<std::int8_t> kept_in_ram(const TensorPlan& plan, const ScheduleRequest& devices)
{
  std::vector<std::int8_t> in_ram;
  if (devices.n_gpus == 0) return in_ram;
  in_ram.reserve(plan.tensors.size());
  for (const auto& t : plan.tensors) {
    const bool expert = t.expert && t.layer < devices.n_cpu_moe;
    in_ram.push_back(expert || !supports_weight(devices.backend, t.type, t.bytes().count));
  }
  return in_ram;
}

bool has_graph(const ModelSpec& model, const TensorPlan& plan) { return !plan.slots.empty() && canirun::has_graph(model); }

}  // namespace

bool resolve_flash_attention(const ModelSpec& model, const TensorPlan& plan, const Workload& workload,
                             const ScheduleRequest& devices)
{
  if (workload.flash_attn == FlashAttention::off || model.arch == "grok") return false;
  if (workload.flash_attn == FlashAttention::on || devices.n_gpus == 0) return true;
  if (traits(workload.cache_type_v).quantized) return true;  // llama_init_from_model: a quantised V needs it
  if (!has_graph(model, plan)) return true;
  // A graph of one token a sequence: every node of flash attention must be on its layer's device.
  auto shape = resolve(workload, model);
  shape.n_ubatch = shape.n_seq_max;
  shape.n_outputs = shape.n_seq_max;
  auto request = devices;
  request.small_batch = shape.n_ubatch < 32;
  request.pipeline = false;
  request.tags = true;
  request.weight_host = kept_in_ram(plan, devices);
  auto& graph = scratch().graph;
  build_graph(model, plan, graph_request(model, workload, shape, true), graph);
  const auto& schedule = scratch().scheduler.assign(graph, request);
  return std::ranges::all_of(graph.nodes, [&](std::int32_t id) {
    const auto& t = graph.tensors[static_cast<std::size_t>(id)];
    return t.tag != NodeTag::flash_attn ||
           schedule.device[static_cast<std::size_t>(id)] == request.layer_device[static_cast<std::size_t>(t.layer)];
  });
}

std::vector<Bytes> compute_bytes(const ModelSpec& model, const TensorPlan& plan, const Workload& workload, bool flash_attn,
                                 const ScheduleRequest& devices)
{
  if (!has_graph(model, plan)) return {};
  const auto shape = resolve(workload, model);
  auto request = devices;
  request.small_batch = std::min(shape.n_ctx, shape.n_ubatch) < 32;
  request.weight_host = kept_in_ram(plan, devices);
  auto& graph = scratch().graph;
  build_graph(model, plan, graph_request(model, workload, shape, flash_attn), graph);
  const auto sizes = scratch().allocator.reserve(scratch().scheduler.run(graph, request));
  std::vector<Bytes> bytes;
  for (const auto size : sizes) bytes.push_back({size});
  return bytes;
}

}  // namespace canirun
