#include <algorithm>
#include <optional>
#include <span>

#include "canirun/core/fnv1a.hpp"
#include "canirun/core/runtime.hpp"
#include "cache.hpp"
#include "graph/allocate.hpp"
#include "graph/backend_rules.hpp"
#include "graph/repeats.hpp"
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
    in_ram.push_back(expert || !supports_weight(devices.backend, t.type, t.bytes().count) ? 1 : 0);
  }
  return in_ram;
}

/// One number a layer: equal where the graph, the devices and what the devices tell of the weights' types are. Weights in RAM may be
/// copied to a GPU, where their size counts.
std::vector<std::uint64_t> layer_kinds(const TensorPlan& plan, const ScheduleRequest& devices)
{
  auto kinds = plan.layer_kinds;
  const auto host = static_cast<std::int8_t>(devices.n_gpus);
  for (std::size_t il = 0; il < kinds.size() && devices.n_gpus > 0; ++il) {
    Fnv1a kind{kinds[il]};
    const auto device = devices.layer_device[il];
    kind.add(static_cast<std::uint64_t>(device) + 1);
    for (auto slot = plan.layer_slots[il]; slot < plan.layer_slots[il + 1]; ++slot) {
      const auto index = plan.slots[slot];
      if (index < 0) continue;
      const auto& t = plan.tensors[static_cast<std::size_t>(index)];
      const bool in_ram = device == host || devices.weight_host[static_cast<std::size_t>(index)] != 0;
      kind.add(in_ram ? 1024 + static_cast<std::uint64_t>(t.type) : type_kind(t.type));
    }
    kinds[il] = kind.value;
  }
  return kinds;
}

bool has_graph(const ModelSpec& model, const TensorPlan& plan) { return !plan.slots.empty() && canirun::has_graph(model); }

std::vector<Bytes> as_bytes(std::span<const std::uint64_t> sizes)
{
  std::vector<Bytes> bytes;
  for (const auto size : sizes) bytes.push_back({size});
  return bytes;
}

/// The compute buffers from a graph without most repetitions of its layers; nothing where that does not tell them.
std::optional<ComputeBytes> folded_bytes(const ModelSpec& model, const TensorPlan& plan, GraphRequest graph_of,
                                         const ScheduleRequest& request)
{
  auto& [graph, scheduler, allocator] = scratch();
  const auto folding = fold_layers(layer_kinds(plan, request));
  if (!folding) return std::nullopt;
  graph_of.layers = folding->layers;
  build_graph(model, plan, graph_of, graph);
  const auto sizes = allocator.reserve(scheduler.run(graph, request), folding->runs, graph.layer_begin);
  if (!sizes) return std::nullopt;
  return ComputeBytes{as_bytes(*sizes), as_bytes(allocator.most_alive())};
}

/// llama_context::resolve_fused_ops: in a graph of one token a sequence every node of such an operation is on its layer's device.
template <typename IsNode>
bool is_on_its_layers(const ModelSpec& model, const TensorPlan& plan, GraphRequest graph_of, const ScheduleRequest& devices,
                      IsNode is_node)
{
  auto& shape = graph_of.shape;
  shape.n_ubatch = shape.n_seq_max;
  shape.n_outputs = shape.n_seq_max;
  auto request = devices;
  request.small_batch = shape.n_ubatch < 32;
  request.pipeline = false;
  request.tags = true;
  request.weight_host = kept_in_ram(plan, devices);
  auto& graph = scratch().graph;
  const auto folding = fold_layers(layer_kinds(plan, request));
  if (folding) graph_of.layers = folding->layers;
  build_graph(model, plan, graph_of, graph);
  const auto& schedule = scratch().scheduler.assign(graph, request);
  return std::ranges::all_of(schedule.nodes, [&](std::int32_t id) {
    const auto& t = schedule.tensors[static_cast<std::size_t>(id)];
    return !is_node(t) ||
           schedule.device[static_cast<std::size_t>(id)] == request.layer_device[static_cast<std::size_t>(t.layer)];
  });
}

/// One after the other, each with what was found of those before.
FusedOps resolve_fused_ops(const ModelSpec& model, const TensorPlan& plan, GraphRequest graph_of, const ScheduleRequest& devices)
{
  if (devices.n_gpus == 0) return {};
  const auto resolve = [&](Op op) {
    return is_on_its_layers(model, plan, graph_of, devices,
                            [op](const GraphTensor& t) { return t.tag == NodeTag::fused && t.op == op; });
  };
  graph_of.fused.hc_pre = resolve(Op::dsv4_hc_pre);
  graph_of.fused.hc_comb = resolve(Op::dsv4_hc_comb);
  graph_of.fused.hc_post = resolve(Op::dsv4_hc_post);
  return graph_of.fused;
}

}  // namespace

std::uint64_t type_kind(TensorType type)
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

bool resolve_flash_attention(const ModelSpec& model, const TensorPlan& plan, const Workload& workload,
                             const ScheduleRequest& devices)
{
  if (workload.flash_attn == FlashAttention::off || model.arch == "grok") return false;
  if (workload.flash_attn == FlashAttention::on || devices.n_gpus == 0) return true;
  if (traits(workload.cache_type_v).quantized) return true;  // llama_init_from_model: a quantised V needs it
  if (!has_graph(model, plan)) return true;
  const auto graph_of = graph_request(model, workload, resolve(workload, model), true);
  return is_on_its_layers(model, plan, graph_of, devices, [](const GraphTensor& t) { return t.tag == NodeTag::flash_attn; });
}

ComputeBytes compute_bytes(const ModelSpec& model, const TensorPlan& plan, const Workload& workload, bool flash_attn,
                           const ScheduleRequest& devices)
{
  if (!has_graph(model, plan)) return {};
  const auto shape = resolve(workload, model);
  auto request = devices;
  request.small_batch = std::min(shape.n_ctx, shape.n_ubatch) < 32;
  request.weight_host = kept_in_ram(plan, devices);
  auto graph_of = graph_request(model, workload, shape, flash_attn);
  if (model.dsv4) graph_of.fused = resolve_fused_ops(model, plan, graph_of, devices);
  if (const auto sizes = folded_bytes(model, plan, graph_of, request)) return *sizes;
  auto& [graph, scheduler, allocator] = scratch();
  build_graph(model, plan, graph_of, graph);
  const auto sizes = allocator.reserve(scheduler.run(graph, request));
  return {as_bytes(sizes), as_bytes(allocator.most_alive())};
}

}  // namespace canirun
