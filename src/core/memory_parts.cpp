#include <algorithm>

#include "cache.hpp"
#include "graph/backend_rules.hpp"
#include "memory_model.hpp"

namespace canirun {
namespace {

using namespace literals;

/// Weights that stay in RAM whatever the device of their layer: experts of --cpu-moe, what the GPU cannot use.
std::vector<std::int8_t> kept_in_ram(const TensorPlan& plan, const Placement& placement)
{
  std::vector<std::int8_t> in_ram(plan.tensors.size(), 0);
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const auto& t = plan.tensors[i];
    const bool expert = t.expert && placement.experts_on_host(t.layer);
    in_ram[i] = expert || !supports_weight(placement.backend, t.type, t.bytes().count);
  }
  return in_ram;
}

Bytes padded(std::uint64_t bytes, std::uint64_t alignment) { return align_up({bytes}, alignment); }

}  // namespace

ScheduleRequest schedule_request(const ModelSpec& model, const TensorPlan& plan, const Workload& workload,
                                 const Placement& placement)
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
  if (r.n_gpus > 0) r.weight_host = kept_in_ram(plan, placement);
  return r;
}

std::vector<Bytes> weight_bytes(const ModelSpec& model, const TensorPlan& plan, const ScheduleRequest& devices)
{
  const auto n_layer_all = model.n_layer + model.n_layer_nextn;
  const auto host = devices.n_gpus;
  std::vector<Bytes> sums(devices.n_gpus + 1);
  const auto add = [&](const PlannedTensor& t, std::size_t device) {
    if (device == host) sums[device] += padded(t.bytes().count, t.lazy ? 32 : host_alignment(devices.backend));
    else sums[device] += padded(t.bytes().count + row_tail(devices.backend, t.type, t.ne[0]), buffer_alignment(devices.backend));
  };
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const auto& t = plan.tensors[i];
    if (!t.loaded) continue;
    const auto in_ram = host > 0 && devices.weight_host[i] != 0;
    const auto on = [&](std::uint32_t il) {
      return in_ram ? host : static_cast<std::size_t>(devices.layer_device[std::min(il, n_layer_all)]);
    };
    switch (t.place) {
      case TensorPlace::input: add(t, host); break;
      case TensorPlace::repeating:
        if (!t.every_layer) {
          add(t, on(t.layer));
          break;
        }
        for (std::size_t device = 0; device <= host; ++device) {
          for (std::uint32_t il = 0; il < n_layer_all; ++il) {
            const bool has_factors = model.arch != "gemma4" || !model.is_swa(il);  // gemma4.cpp: full-attention layers alone
            if (!has_factors || devices.layer_device[il] != static_cast<std::int8_t>(device)) continue;
            add(t, device);
            break;
          }
        }
        break;
      case TensorPlace::output: add(t, on(n_layer_all)); break;
    }
    if (t.duplicated_output && (on(n_layer_all) != host || devices.embedding_twice)) add(t, on(n_layer_all));
  }
  return sums;
}

std::vector<CacheBytes> cache_bytes(const ModelSpec& model, const Workload& workload, const RunShape& shape,
                                    const ScheduleRequest& devices)
{
  std::vector<CacheBytes> sums(devices.n_gpus + 1);
  for (const auto& t : cache_tensors(model, workload, shape)) {
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
