#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "canirun/core/tensor_type.hpp"

namespace canirun {

struct ModelSpec;
struct Projector;

enum class FlashAttention { automatic, on, off };
enum class Runtime { llama_cpp, llama_server, ollama, lm_studio, vllm, transformers, diffusers };

/// What a user asks for when they start a model, before it meets a model: llama.cpp's flags and their defaults.
struct Workload {
  std::uint32_t n_ctx = 0;  ///< 0 = min(8192, trained context).
  std::uint32_t n_batch = 2048;
  std::uint32_t n_ubatch = 512;
  std::uint32_t n_seq_max = 1;
  bool kv_unified = false;
  TensorType cache_type_k = TensorType::f16;
  TensorType cache_type_v = TensorType::f16;
  FlashAttention flash_attn = FlashAttention::automatic;
  bool offload_kqv = true;
  bool swa_full = false;
  std::uint32_t n_outputs_max = 0;  ///< Rows of logits per micro-batch; 0 = as many as the batch.
  bool embeddings = false;
  Runtime runtime = Runtime::llama_cpp;
  std::int64_t depth = -1;                          ///< Tokens in the cache for the speed estimate; -1 = half of the context.
  std::shared_ptr<const Projector> projector = {};  ///< --mmproj: runs beside the model; null = none.
};

/// The same after llama.cpp's clamping and padding (llama-context.cpp: llama_context::llama_context).
struct RunShape {
  std::uint32_t n_ctx = 0;      ///< Padded to 256; for separate streams n_ctx_seq · n_seq_max.
  std::uint32_t n_ctx_seq = 0;  ///< Cells of one stream.
  std::uint32_t n_stream = 1;   ///< 1 if kv_unified, else n_seq_max.
  std::uint32_t n_seq_max = 1;
  std::uint32_t n_batch = 0;
  std::uint32_t n_ubatch = 0;
  std::uint32_t n_outputs = 0;  ///< Rows of logits in one micro-batch of the reserve graph.
};
RunShape resolve(const Workload& workload, const ModelSpec& model);

std::string_view name(Runtime runtime);
std::optional<Runtime> parse_runtime(std::string_view name);
std::string_view name(FlashAttention flash_attn);
std::optional<FlashAttention> parse_flash_attention(std::string_view name);

}  // namespace canirun
