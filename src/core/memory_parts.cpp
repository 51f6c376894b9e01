#include <algorithm>

#include "cache.hpp"
#include "graph/backend_rules.hpp"
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
  const auto n_layer_all = weights.layers.size() - 1;
  std::vector<Bytes> sums(devices.n_gpus + 1);
  const auto add = [&](const LayerWeights& layer, std::size_t device, bool experts_in_ram) {
    const auto put = [&](const WeightBytes& w, std::size_t on) { sums[on] += on == host ? w.on_host : w.on_gpu; };
    put(layer.dense, device);
    put(layer.experts, experts_in_ram ? host : device);
    sums[host] += layer.kept;
  };
  sums[host] += weights.input;
  std::vector<bool> has_layers(host + 1);
  for (std::size_t il = 0; il <= n_layer_all; ++il) {
    const auto device = static_cast<std::size_t>(devices.layer_device[il]);
    add(weights.layers[il], device, il < devices.n_cpu_moe);
    if (il < n_layer_all && weights.has_factors[il]) has_layers[device] = true;
  }
  for (std::size_t device = 0; device <= host; ++device) {
    if (has_layers[device]) sums[device] += device == host ? weights.every_layer.on_host : weights.every_layer.on_gpu;
  }
  const auto output = static_cast<std::size_t>(devices.layer_device.back());
  // One that the backend cannot use stays in RAM, where the embedding itself serves.
  const bool on_gpu = output != host && weights.tied.kept.count == 0;
  if (on_gpu || devices.embedding_twice) add(weights.tied, output, false);
  return sums;
}

std::vector<CacheBytes> cache_bytes(std::span<const CacheTensor> caches, const ScheduleRequest& devices)
{
  std::vector<CacheBytes> sums(devices.n_gpus + 1);
  for (const auto& t : caches) {
    const auto device = devices.offload_kqv ? static_cast<std::size_t>(devices.layer_device[t.layer]) : devices.n_gpus;
    const auto backend = device < devices.n_gpus ? devices.backend : Backend::cpu;
    const auto bytes = t.ne[1] * t.ne[2] * row_size(t.type, t.ne[0]).count;
    const auto all = padded(bytes + (bytes ? row_tail(backend, t.type, t.ne[0]) : 0), buffer_alignment(backend));
    const bool state = t.kind == CacheKind::conv_state || t.kind == CacheKind::ssm_state;
    (state ? sums[device].state : sums[device].kv) += all;
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
