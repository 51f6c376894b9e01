#include <algorithm>
#include <array>
#include <string_view>

#include "checkpoint_rows.hpp"
#include "vllm/vllm.hpp"

namespace canirun {

namespace {

// vllm/engine/arg_utils.py, get_batch_defaults: the token budget and the sequences of an API server. Cards from 70 GiB up get the
// larger ones, except the A100.
constexpr double k_large_gpu = 70.0;
constexpr std::uint32_t k_tokens_large = 8192, k_tokens = 2048;
constexpr std::uint32_t k_seqs_large = 1024, k_seqs = 256;

constexpr std::array<std::string_view, 8> k_rwkv_and_diffusion{"rwkv6", "rwkv6qwen2", "rwkv7",     "arwkv7",
                                                               "dream", "llada",      "llada-moe", "rnd1"};

}  // namespace

VllmShape vllm_shape(const ModelSpec& model, const Workload& workload, const Gpu& gpu, std::uint32_t n_ranks)
{
  const Workload defaults;
  const auto shape = resolve(workload, model);
  const bool large =
      gpu.memory_total && to_gib(gpu.memory_total->bytes()).value >= k_large_gpu && gpu.name.find("A100") == std::string::npos;
  VllmShape s;
  s.n_ranks = n_ranks;
  s.n_seq = shape.n_seq_max;
  s.max_model_len = std::max(1u, shape.n_ctx / shape.n_seq_max);
  s.max_num_seqs = workload.n_seq_max > 1 ? workload.n_seq_max : large ? k_seqs_large : k_seqs;
  s.max_batched_tokens = workload.n_batch != defaults.n_batch ? workload.n_batch : large ? k_tokens_large : k_tokens;
  s.cache_bytes = workload.cache_type_k == TensorType::q8_0 ? 1 : 2;
  return s;
}

std::optional<std::string> vllm_refuses(const ModelSpec& model, const ModelFacts& facts, const Question& question)
{
  if (std::ranges::find(k_rwkv_and_diffusion, model.arch) != k_rwkv_and_diffusion.end())
    return "vLLM has no implementation of the architecture " + model.arch;
  if (auto why = checkpoint_refuses(model, facts, question, "vLLM")) return why;
  const auto& w = question.workload;
  const auto is_16_bit = [](TensorType t) { return t == TensorType::f16 || t == TensorType::bf16; };
  const bool known = (is_16_bit(w.cache_type_k) && is_16_bit(w.cache_type_v)) ||
                     (w.cache_type_k == TensorType::q8_0 && w.cache_type_v == TensorType::q8_0);
  if (!known) return "vLLM has caches of 16 bits and of fp8 (-ctk q8_0 -ctv q8_0), K and V alike";
  return std::nullopt;
}

std::optional<std::string> vllm_refuses(const Gpu& gpu, CheckpointType type)
{
  // docs.vllm.ai, "Supported Hardware" of the quantisation pages, and requirements of the installation pages.
  const auto is = [&](std::string_view name) { return gpu.architecture.starts_with(name); };
  if (gpu.vendor == "NVIDIA") {
    if (is("Kepler") || is("Maxwell") || is("Pascal")) return "vLLM needs a GPU of compute capability 7.0 (Volta) or later";
    if (is("Volta") && (type == CheckpointType::awq || type == CheckpointType::fp8 || type == CheckpointType::mxfp4))
      return "these kernels need Turing or later";
    if (is("Turing") && (type == CheckpointType::fp8 || type == CheckpointType::mxfp4))
      return "these kernels need Ampere or later";
    return std::nullopt;
  }
  if (gpu.vendor == "AMD") {
    const bool rdna = is("RDNA3") || is("RDNA4"), cdna2 = is("CDNA2"), cdna3 = is("CDNA3") || is("CDNA4");
    if (!rdna && !cdna2 && !cdna3 && !gpu.architecture.empty() && !is("APU"))
      return "vLLM's ROCm build runs on CDNA2 and later and on RDNA3 and RDNA4";
    if (type == CheckpointType::fp8 && !cdna3 && !is("RDNA4") && !gpu.architecture.empty())
      return "FP8 needs CDNA3, CDNA4 or RDNA4 on AMD";
    return std::nullopt;
  }
  return "vLLM is covered here on GPUs of NVIDIA and AMD only";
}

}  // namespace canirun
