#include "canirun/core/command.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "canirun/core/projector.hpp"
#include "canirun/core/report.hpp"

namespace canirun {

namespace {

bool plain(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_./:,+@%=").find(c) != std::string_view::npos;
}

/// Bytes at the start of `text` that a terminal would act on: C0 and C1 controls, DEL, marks of direction and of width zero.
std::size_t harmful_bytes(std::string_view text)
{
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  if (byte(0) < 0x20 || byte(0) == 0x7F) return 1;
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) < 0xA0) return 2;
  const bool marks = (byte(1) == 0x80 && (byte(2) >= 0xA8 ? byte(2) <= 0xAE : byte(2) >= 0x8B && byte(2) <= 0x8F)) ||
                     (byte(1) == 0x81 && byte(2) >= 0xA0 && byte(2) <= 0xAF);
  if (byte(0) == 0xE2 && marks) return 3;
  return byte(0) == 0xEF && byte(1) == 0xBB && byte(2) == 0xBF ? 3 : 0;
}

bool is_harmful(std::string_view text)
{
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (harmful_bytes(text.substr(i)) > 0) return true;
  }
  return false;
}

/// As one word for a POSIX shell. $'…' is of POSIX.1-2024 (bash, zsh, ksh, busybox); only names that would act on a terminal need it.
std::string shell_word(std::string_view text)
{
  if (!text.empty() && std::ranges::all_of(text, plain)) return std::string(text);
  const bool escaped = is_harmful(text);
  std::string quoted = escaped ? "$'" : "'";
  for (std::size_t i = 0; i < text.size();) {
    const auto harmful = escaped ? harmful_bytes(text.substr(i)) : 0;
    for (const auto end = i + harmful; i < end; ++i) quoted += fmt::format("\\{:03o}", static_cast<unsigned char>(text[i]));
    if (harmful > 0) continue;
    const char c = text[i++];
    if (escaped && (c == '\'' || c == '\\')) quoted += '\\';
    if (!escaped && c == '\'') quoted += "'\\''";
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

}  // namespace

RunRequest run_of(const Report& report, const ModelReport& model, const QuantReport& row)
{
  // A model without a projector of its own has no use for --mmproj auto.
  const bool sees = report.workload.projector && row.memory.projector.count > 0;
  return {.file = row.file,
          .n_ctx = model.n_ctx,
          .embedding = model.kind == ModelKind::embedding,
          .workload = report.workload,
          .placement = row.placement,
          .hardware = report.hardware,
          .checkpoint = row.checkpoint,
          .projector = sees ? report.workload.projector->file : "",
          .weights = {}};
}

std::string tensor_split_text(const Placement& p)
{
  std::vector<std::uint32_t> layers(p.gpus.size(), 0);
  for (std::uint32_t il = 0; il <= p.n_layers; ++il) {
    if (const auto device = p.device_of_layer(il, p.n_layers)) ++layers[*device];
  }
  return fmt::format("{}", fmt::join(layers, ","));
}

std::vector<std::string> llama_arguments(const RunRequest& request, LlamaProgram program, Visible visible)
{
  const auto& workload = request.workload;
  const auto& p = request.placement;
  std::vector<std::string> words{"-m", request.file};
  const auto add = [&](std::string_view flag, std::string value) {
    words.emplace_back(flag);
    words.push_back(std::move(value));
  };
  const auto number = [](std::uint32_t n) { return fmt::format("{}", n); };
  // As it was asked for: llama.cpp limits the batch by it before it pads it.
  add("-c", number(workload.n_ctx > 0 ? workload.n_ctx : request.n_ctx));
  const auto usable =
      static_cast<std::size_t>(std::ranges::count_if(request.hardware.gpus, [](const Gpu& g) { return g.type != GpuType::cpu; }));
  if (p.gpus.empty()) {
    if (usable > 0 && visible == Visible::all_gpus) add("--device", "none");
  } else {
    add("-ngl", number(p.n_gpu_layers));
    if (p.gpus.size() < usable && visible == Visible::all_gpus) {
      std::vector<std::string> names;
      for (const auto g : p.gpus) names.push_back(device_name(p, request.hardware, g));
      add("--device", fmt::format("{}", fmt::join(names, ",")));
    }
    if (p.gpus.size() > 1) add("--tensor-split", tensor_split_text(p));
    if (p.n_cpu_moe > 0 && p.n_cpu_moe >= p.n_layers) words.emplace_back("--cpu-moe");
    else if (p.n_cpu_moe > 0) add("--n-cpu-moe", number(p.n_cpu_moe));
  }
  if (!request.projector.empty()) {
    add("--mmproj", request.projector);
    if (p.gpus.empty() && usable > 0) words.emplace_back("--no-mmproj-offload");
  }
  const Workload defaults;
  if (workload.cache_type_k != defaults.cache_type_k) add("-ctk", std::string(traits(workload.cache_type_k).name));
  if (workload.cache_type_v != defaults.cache_type_v) add("-ctv", std::string(traits(workload.cache_type_v).name));
  if (workload.flash_attn != defaults.flash_attn) add("-fa", std::string(name(workload.flash_attn)));
  if (workload.n_batch != defaults.n_batch) add("-b", number(workload.n_batch));
  if (workload.n_ubatch != defaults.n_ubatch) add("-ub", number(workload.n_ubatch));
  if (program == LlamaProgram::server) {
    add("-np", number(workload.n_seq_max));  // llama-server's own default is 4 slots
    if (workload.kv_unified) words.emplace_back("--kv-unified");
  }
  if (!workload.offload_kqv) words.emplace_back("--no-kv-offload");
  if (workload.swa_full) words.emplace_back("--swa-full");
  if (request.embedding && program == LlamaProgram::server) words.emplace_back("--embeddings");
  return words;
}

std::string shell_line(std::span<const std::string> words)
{
  std::string line;
  for (const auto& word : words) line += (line.empty() ? "" : " ") + shell_word(word);
  return line;
}

}  // namespace canirun
