#include <algorithm>
#include <fmt/format.h>

#include "canirun/core/command.hpp"
#include "vllm/vllm.hpp"

namespace canirun {

std::vector<std::string> vllm_arguments(const RunRequest& request)
{
  const auto& w = request.workload;
  const auto& p = request.placement;
  const Workload defaults;
  const auto number = [](std::size_t n) { return fmt::format("{}", n); };
  std::vector<std::string> words{request.file};
  const auto add = [&](std::string_view flag, std::string value) {
    words.emplace_back(flag);
    words.push_back(std::move(value));
  };
  add("--max-model-len", number(request.n_ctx / std::max(w.n_seq_max, 1u)));
  add("--gpu-memory-utilization", fmt::format("{:g}", k_vllm_utilization));
  if (p.gpus.size() > 1) add("--tensor-parallel-size", number(p.gpus.size()));
  if (w.n_seq_max > 1) add("--max-num-seqs", number(w.n_seq_max));
  if (w.n_batch != defaults.n_batch) add("--max-num-batched-tokens", number(w.n_batch));
  // A checkpoint in 16 bits is quantised while it loads; one in FP8 says so itself and the flag agrees.
  if (request.checkpoint == CheckpointType::fp8) add("--quantization", "fp8");
  const auto& gpus = request.hardware.gpus;
  const bool no_bfloat16 = std::ranges::any_of(p.gpus, [&](std::size_t g) {
    return gpus[g].architecture == "Volta" || gpus[g].architecture == "Turing";  // compute capability below 8.0
  });
  if (no_bfloat16) add("--dtype", "half");
  if (w.cache_type_k == TensorType::q8_0) add("--kv-cache-dtype", "fp8");
  return words;
}

}  // namespace canirun
