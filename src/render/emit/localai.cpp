#include <fmt/format.h>

#include "canirun/core/command.hpp"
#include "emit/emitters.hpp"
#include "emit/yaml.hpp"

/// \file
/// LocalAI's model file. Keys: LocalAI core/config/model_config.go; options: backend/cpp/llama-cpp/grpc-server.cpp.

namespace canirun {

Result<std::string> emit_localai(const EmitRequest& request)
{
  const auto& [report, model, row] = request;
  const auto& p = row.placement;
  const auto& w = report.workload;
  auto out = describe_run(request);
  out += fmt::format("name: {}\nbackend: llama-cpp\n", yaml_string(model.id));
  // The batch is both batches unless the option n_ubatch sets the physical one.
  out += fmt::format("parameters:\n  model: {}\n  batch: {}\n", yaml_string(base_name(row.file)), w.n_batch);
  out +=
      fmt::format("context_size: {}\ngpu_layers: {}\nf16: true\nmmap: true\n", model.n_ctx, p.gpus.empty() ? 0 : p.n_gpu_layers);
  if (w.flash_attn != FlashAttention::automatic) out += fmt::format("flash_attention: \"{}\"\n", name(w.flash_attn));
  out += fmt::format("cache_type_k: {}\ncache_type_v: {}\n", traits(w.cache_type_k).name, traits(w.cache_type_v).name);
  if (p.gpus.size() > 1) out += fmt::format("tensor_split: \"{}\"\n", tensor_split_text(p));
  if (!w.offload_kqv) out += "no_kv_offloading: true\n";
  if (model.kind == ModelKind::embedding) out += "embeddings: true\n";
  out += fmt::format("options:\n  - \"n_ubatch:{}\"\n  - \"parallel:{}\"\n  - \"kv_unified:{}\"\n", w.n_ubatch, w.n_seq_max,
                     w.kv_unified);
  if (p.n_cpu_moe > 0) out += fmt::format("  - \"n_cpu_moe:{}\"\n", p.n_cpu_moe);
  return out;
}

}  // namespace canirun
