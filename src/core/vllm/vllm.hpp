#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "canirun/core/evaluate.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "checkpoint_plan.hpp"

/// \file
/// vLLM's own accounting (docs/vllm.md): the share of a GPU's memory that it may use, minus weights, the peak of the profile run,
/// what is outside of PyTorch and CUDA graphs, is left for KV blocks. Nothing is offloaded; several GPUs work by tensor parallelism.

namespace canirun {

// The start-up option --gpu-memory-utilization, stated in every command that is made here (vLLM's default was 0.9 and is 0.92 in 2026).
inline constexpr double k_vllm_utilization = 0.9;

/// How a run is sized before it meets a checkpoint: the defaults of `vllm serve` on this GPU, or what the workload states.
struct VllmShape {
  std::uint32_t n_ranks = 1;        ///< Tensor parallel size.
  std::uint32_t max_model_len = 0;  ///< Tokens of one sequence.
  std::uint32_t n_seq = 1;          ///< Sequences of that length whose caches must fit.
  std::uint32_t max_num_seqs = 0;   ///< Rows of logits in the profile run.
  std::uint32_t max_batched_tokens = 0;
  std::uint32_t cache_bytes = 2;  ///< Of one number in the cache: 2 = bfloat16, 1 = fp8.
};
VllmShape vllm_shape(const ModelSpec& model, const Workload& workload, const Gpu& gpu, std::uint32_t n_ranks);

/// The weights of one rank after loading: column- and row-parallel matrices are split, norms, routers and biases are on every rank.
/// `plan` has names and shapes, its types do not count; `layers` are its checkpoint_layers.
Bytes vllm_weights(const ModelSpec& model, const TensorPlan& plan, const PlanLayers& layers, CheckpointType type,
                   std::uint32_t n_ranks);
/// Bits a weight of the whole checkpoint.
BitsPerWeight vllm_bits(const ModelSpec& model, const TensorPlan& plan, const PlanLayers& layers, CheckpointType type);

struct VllmCache {
  Bytes kv;      ///< Blocks of all layers on one rank.
  Bytes states;  ///< Recurrent states.
};
/// What `n_seq` sequences of `n_tokens` tokens take on one rank: whole blocks of 16 tokens, windows of sliding layers, layers padded
/// so that the groups of a hybrid model are equal.
VllmCache vllm_cache(const ModelSpec& model, const VllmShape& shape, std::uint32_t n_tokens);

/// Peak of the profile run on one rank: a batch of max_batched_tokens through the widest layer, or the sampler over max_num_seqs
/// rows of logits.
Bytes vllm_activations(const ModelSpec& model, const VllmShape& shape);
/// CUDA graphs and what NCCL and the kernels' libraries allocate.
Bytes vllm_overhead(const ModelSpec& model, std::uint32_t n_ranks);
/// RAM of the API server, the engine and one worker a rank; weights only pass through.
Bytes vllm_host(std::uint32_t n_ranks);

/// Why vLLM does not run this model, or these settings, anywhere; nothing if it does.
std::optional<std::string> vllm_refuses(const ModelSpec& model, const ModelFacts& facts, const Question& question);
/// Why this GPU does not run such a checkpoint; nothing if it does.
std::optional<std::string> vllm_refuses(const Gpu& gpu, CheckpointType type);

/// The rows of `evaluate` for Runtime::vllm: one for each checkpoint type, at the tensor parallel size with the best grade.
void evaluate_vllm(ModelReport& report, const ModelSpec& model, const ModelFacts& facts, CheckpointPlan& plan,
                   const HardwareProfile& hardware, const Question& question);

}  // namespace canirun
