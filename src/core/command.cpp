#include "command.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace canirun {

namespace {

/// As one word for a POSIX shell.
std::string shell_word(std::string_view text)
{
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./:,+@%=").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, plain)) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += "'\\''";
    else quoted += c;
  }
  return quoted + "'";
}

/// llama.cpp numbers the devices of each backend: CUDA0, Vulkan1, ROCm0; Metal has one.
std::string device_name(const Placement& placement, const HardwareProfile& hardware, std::size_t gpu)
{
  const auto number =
      std::count_if(hardware.gpus.begin(), hardware.gpus.begin() + static_cast<std::ptrdiff_t>(gpu),
                    [&](const Gpu& g) { return g.type != GpuType::cpu && g.vendor == hardware.gpus[gpu].vendor; });
  switch (placement.backend) {
    case Backend::cuda: return fmt::format("CUDA{}", number);
    case Backend::rocm: return fmt::format("ROCm{}", number);
    case Backend::metal: return "Metal";
    default: {
      const auto any_vendor = std::count_if(hardware.gpus.begin(), hardware.gpus.begin() + static_cast<std::ptrdiff_t>(gpu),
                                            [](const Gpu& g) { return g.type != GpuType::cpu; });
      return fmt::format("Vulkan{}", any_vendor);
    }
  }
}

/// Layers of each GPU, which llama.cpp accepts as shares and which meet its rounding exactly.
std::string tensor_split(const Placement& p)
{
  std::vector<std::uint32_t> layers(p.gpus.size(), 0);
  for (std::uint32_t il = 0; il <= p.n_layers; ++il) {
    if (const auto device = p.device_of_layer(il, p.n_layers)) ++layers[*device];
  }
  return fmt::format("{}", fmt::join(layers, ","));
}

}  // namespace

std::string llama_server_command(const CommandRequest& request)
{
  const auto& [model, file, workload, p, hardware] = request;
  const auto shape = resolve(workload, model);
  std::string line = fmt::format("llama-server -m {} -c {}", shell_word(file), shape.n_ctx);
  const auto usable =
      static_cast<std::size_t>(std::ranges::count_if(hardware.gpus, [](const Gpu& g) { return g.type != GpuType::cpu; }));
  if (p.gpus.empty()) {
    if (usable > 0) line += " --device none";
  } else {
    line += fmt::format(" -ngl {}", p.n_gpu_layers);
    if (p.gpus.size() < usable) {
      std::vector<std::string> names;
      for (const auto g : p.gpus) names.push_back(device_name(p, hardware, g));
      line += fmt::format(" --device {}", fmt::join(names, ","));
    }
    if (p.gpus.size() > 1) line += " --tensor-split " + tensor_split(p);
    if (p.n_cpu_moe >= p.n_layers) line += " --cpu-moe";
    else if (p.n_cpu_moe > 0) line += fmt::format(" --n-cpu-moe {}", p.n_cpu_moe);
  }
  const Workload defaults;
  if (workload.cache_type_k != defaults.cache_type_k) line += fmt::format(" -ctk {}", traits(workload.cache_type_k).name);
  if (workload.cache_type_v != defaults.cache_type_v) line += fmt::format(" -ctv {}", traits(workload.cache_type_v).name);
  if (workload.flash_attn != defaults.flash_attn) line += fmt::format(" -fa {}", name(workload.flash_attn));
  if (workload.n_batch != defaults.n_batch) line += fmt::format(" -b {}", workload.n_batch);
  if (workload.n_ubatch != defaults.n_ubatch) line += fmt::format(" -ub {}", workload.n_ubatch);
  line += fmt::format(" -np {}", workload.n_seq_max);  // llama-server's own default is 4 slots
  if (workload.kv_unified) line += " --kv-unified";
  if (!workload.offload_kqv) line += " --no-kv-offload";
  if (workload.swa_full) line += " --swa-full";
  if (model.kind == ModelKind::embedding) line += " --embeddings";
  return line;
}

}  // namespace canirun
