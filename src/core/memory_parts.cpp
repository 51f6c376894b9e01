#include <algorithm>

#include "cache.hpp"
#include "graph/backend_rules.hpp"
#include "layer_counts.hpp"
#include "memory_model.hpp"

namespace canirun {
namespace {

using namespace literals;

Bytes padded(std::uint64_t bytes, std::uint64_t alignment) { return align_up({bytes}, alignment); }

}  // namespace

ScheduleRequest schedule_request(const ModelSpec& model, const Workload& workload, const Placement& placement)
{
  const auto n_layer_all = model.n_layer + model.n_layer_nextn;
  ScheduleRequest r;
  r.n_gpus = placement.gpus.size();
  r.backend = r.n_gpus ? placement.backend : Backend::cpu;
  r.offload_kqv = workload.offload_kqv;
  r.full_offload = r.n_gpus > 0 && placement.n_gpu_layers > n_layer_all;
  // llama_context::llama_context: tensor overrides rule pipeline parallelism out. Vulkan devices report neither events nor async.
  r.pipeline = r.n_gpus > 1 && r.full_offload && workload.offload_kqv && placement.n_cpu_moe == 0 && r.backend != Backend::metal;
  // models/gemma3n.cpp, gemma4.cpp: the output's copy of the embedding is made first, so that it is not found when the embedding is.
  r.embedding_twice = model.arch == "gemma3n" || model.arch == "gemma4";
  r.layer_device.resize(n_layer_all + 1);
  for (std::uint32_t il = 0; il <= n_layer_all; ++il) {
    const auto gpu = placement.device_of_layer(il, n_layer_all);
    r.layer_device[il] = static_cast<std::int8_t>(gpu.value_or(r.n_gpus));
  }
  r.n_cpu_moe = r.n_gpus > 0 ? placement.n_cpu_moe : 0;
  return r;
}

std::vector<Bytes> weight_bytes(const PlanWeights& weights, const ScheduleRequest& devices)
{
  const auto host = devices.n_gpus;
  const auto output = static_cast<std::size_t>(devices.layer_device.back());
  std::vector<Bytes> sums(host + 1);
  const auto bytes = [&](const WeightBytes& w, std::size_t device) { return device == host ? w.on_host : w.on_gpu; };
  const auto device_of = [&](std::uint32_t il) { return static_cast<std::size_t>(devices.layer_device[il]); };
  const LayerCounts dense(weights.kind_of, weights.kinds.size(), host + 1, device_of);
  const LayerCounts experts(weights.kind_of, weights.kinds.size(), host + 1,
                            [&](std::uint32_t il) { return il < devices.n_cpu_moe ? host : device_of(il); });
  for (std::size_t kind = 0; kind < weights.kinds.size(); ++kind) {
    const auto& layer = weights.kinds[kind];
    for (std::size_t device = 0; device <= host; ++device) {
      sums[device] += dense.on(device, kind) * bytes(layer.dense, device) + experts.on(device, kind) * bytes(layer.experts, device);
      sums[host] += dense.on(device, kind) * layer.kept;
    }
  }
  const auto add_to_output = [&](const LayerWeights& layer) {
    sums[output] += bytes(layer.dense, output) + bytes(layer.experts, output);
    sums[host] += layer.kept;
  };
  add_to_output(weights.output);
  sums[host] += weights.input;
  std::vector<bool> has_factors(host + 1);
  for (std::uint32_t il = 0; il < weights.has_factors.size(); ++il) {
    if (weights.has_factors[il]) has_factors[device_of(il)] = true;
  }
  for (std::size_t device = 0; device <= host; ++device) {
    if (has_factors[device]) sums[device] += bytes(weights.every_layer, device);
  }
  // One that the backend cannot use stays in RAM, where the embedding itself serves.
  const bool on_gpu = output != host && weights.tied.kept.count == 0;
  if (on_gpu || devices.embedding_twice) add_to_output(weights.tied);
  return sums;
}

std::vector<CacheBytes> cache_bytes(const CacheLayers& caches, const ScheduleRequest& devices)
{
  const auto host = devices.n_gpus;
  std::vector<CacheBytes> sums(host + 1);
  const LayerCounts layers(caches.kind_of, caches.firsts.size(), host + 1, [&](std::uint32_t il) {
    return devices.offload_kqv ? static_cast<std::size_t>(devices.layer_device[il]) : host;
  });
  for (const auto& t : caches.tensors) {
    const auto bytes = t.ne[1] * t.ne[2] * row_size(t.type, t.ne[0]).count;
    for (std::size_t device = 0; device <= host; ++device) {
      const auto n = layers.on(device, caches.kind_of[t.layer]);
      if (n == 0) continue;
      const auto backend = device < host ? devices.backend : Backend::cpu;
      const auto all = padded(bytes + (bytes ? row_tail(backend, t.type, t.ne[0]) : 0), buffer_alignment(backend));
      (t.is_state() ? sums[device].state : sums[device].kv) += n * all;
    }
  }
  return sums;
}

Bytes output_bytes(const ModelSpec& model, const Workload& workload, const RunShape& shape, const ScheduleRequest& devices)
{
  std::uint64_t width = model.n_vocab;
  if (workload.embeddings || model.arch == "t5") width += model.n_embd_out ? model.n_embd_out : model.n_embd;
  // Pinned for the device of the output layer; ggml_backend_vk_host_buffer_type_alloc_buffer adds 32 bytes.
  const bool pinned = static_cast<std::size_t>(devices.layer_device.back()) < devices.n_gpus;
  return {4 * width * shape.n_seq_max + (pinned && devices.backend == Backend::vulkan ? 32 : 0)};
}

Bytes gpu_overhead(Backend backend)
{
  // docs/memory-model.md "Runtime overhead": CUDA context and kernels 451-456 MiB on an RTX 4090 without a display, 325 on an RTX
  // 5090; ROCm 253 on an MI50; Vulkan 10-165 on a laptop whose card drives no display.
  switch (backend) {
    case Backend::cuda: return 456_MiB;
    case Backend::rocm: return 256_MiB;
    case Backend::vulkan: return 165_MiB;
    case Backend::metal:
    case Backend::cpu: return {};
  }
  return {};
}

Bytes host_overhead(const ModelSpec& model)
{
  // The process takes 10-60 MiB; a vocabulary entry with its text, score, type and hash slots takes about 160 bytes.
  return 60_MiB + Bytes{std::uint64_t{160} * model.n_vocab};
}

}  // namespace canirun
