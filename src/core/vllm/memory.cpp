#include <algorithm>

#include "cache.hpp"
#include "vllm/vllm.hpp"

namespace canirun {

namespace {

constexpr std::uint64_t k_block = 16;  // tokens; vllm/config/cache.py: DEFAULT_BLOCK_SIZE

// Logits in bfloat16 and float32, probabilities and the noise of the sampler, of max_num_seqs rows. Measured: 21 bytes a logit
// (Gemma 4 26B, 0.19) to 25 (gpt-oss-20b, 0.19), 36 to 41 in releases before 0.8 (docs/vllm.md, "Profile run").
constexpr double k_bytes_per_logit = 25;

// docs/vllm.md, "Outside of PyTorch": 0.03 to 0.10 GiB on one GPU, 0.20 to 0.73 with NCCL.
constexpr double k_non_torch = 0.1 * (1 << 30), k_non_torch_parallel = 0.4 * (1 << 30);
// The same, "CUDA graphs": 0.1 to 1.5 GiB, mostly a constant for each captured piece, and there is one a layer.
constexpr double k_graphs = 0.2 * (1 << 30), k_graphs_per_layer = 8.0 * (1 << 20);

// Assumed: no published figure. A Python process with PyTorch and CUDA libraries, and buffers of the loader, for each of API
// server, engine and rank.
constexpr double k_host_base = 3.0 * (1ull << 30), k_host_per_rank = 2.0 * (1ull << 30);

/// Attention layers of one kind: full or sliding.
struct Kind {
  std::uint64_t layers = 0;
  double bytes_per_token = 0;  ///< Σ over the layers, on one rank.
};

Bytes bytes(double b) { return {static_cast<std::uint64_t>(std::max(0.0, b))}; }

bool has_cache(const ModelSpec& model, std::uint32_t il)
{
  const bool owner = il + model.n_layer_kv_shared < model.n_layer;
  return owner && !(model.is_recurrent(il) && model.n_head_kv(il) == 0) && (model.is_mla() || model.n_head_kv(il) > 0);
}

double token_bytes(const ModelSpec& model, std::uint32_t il, const VllmShape& s)
{
  // Latents are on every rank; fewer heads than ranks are copied.
  if (model.is_mla()) {
    auto row = static_cast<double>(model.head_k(il));
    if (model.mla->indexer_n_head > 0) row += model.mla->indexer_head_dim;
    return row * s.cache_bytes;
  }
  const auto heads = std::max(1u, model.n_head_kv(il) / s.n_ranks);
  return static_cast<double>(heads * (model.head_k(il) + model.head_v(il)) * s.cache_bytes);
}

/// Groups of a hybrid allocation have equal numbers of layers: the smaller kind's, or the larger's where they are close
/// (vllm/v1/core/kv_cache_utils.py, group_size); the rest is padding.
double padding(std::uint64_t layers, std::uint64_t other)
{
  if (layers == 0 || other == 0) return 1;
  const auto low = std::min(layers, other), high = std::max(layers, other);
  const auto size = 4 * high < 5 * low ? high : low;
  return static_cast<double>(pad_to(layers, size)) / static_cast<double>(layers);
}

}  // namespace

VllmCache vllm_cache(const ModelSpec& model, const VllmShape& s, std::uint32_t n_tokens)
{
  Kind full, sliding;
  std::uint64_t recurrent = 0;
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    if (model.is_recurrent(il)) ++recurrent;
    if (!has_cache(model, il)) continue;
    auto& kind = model.is_swa(il) ? sliding : full;
    ++kind.layers;
    kind.bytes_per_token += token_bytes(model, il, s);
  }
  const auto full_tokens = pad_to(n_tokens, k_block);
  // A window, what one step may add to it, and one block for its unaligned start.
  const auto window = model.swa ? std::uint64_t{model.swa->window} : 0;
  const auto sliding_tokens = std::min(full_tokens, pad_to(window + s.max_batched_tokens, k_block) + k_block);
  const auto state = 2.0 * static_cast<double>(conv_state_width(model)) + 4.0 * static_cast<double>(ssm_state_width(model));
  VllmCache cache;
  cache.kv =
      bytes(s.n_seq * (static_cast<double>(full_tokens) * full.bytes_per_token * padding(full.layers, sliding.layers) +
                       static_cast<double>(sliding_tokens) * sliding.bytes_per_token * padding(sliding.layers, full.layers)));
  cache.states = bytes(s.n_seq * static_cast<double>(recurrent) * state / s.n_ranks);
  return cache;
}

Bytes vllm_activations(const ModelSpec& model, const VllmShape& s)
{
  double widest = 0;  // numbers for one token, beside two of the width of the model
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    const double h = model.n_embd, n = s.n_ranks;
    double ffn = 3.0 * model.n_ff(il) / n;
    if (model.is_moe(il)) {
      const auto& moe = *model.moe;
      ffn = moe.n_expert_used * (3.0 * moe.n_ff_expert / n + h) + 3.0 * moe.n_ff_shared / n;
    }
    const double attention = 2.0 * model.n_head(il) * static_cast<double>(model.head_k(il)) / n;
    widest = std::max({widest, ffn, attention});
  }
  const auto forward = 2.0 * s.max_batched_tokens * (2.0 * model.n_embd + widest);
  const auto sampler = k_bytes_per_logit * s.max_num_seqs * model.n_vocab;
  return bytes(std::max(forward, sampler));
}

Bytes vllm_overhead(const ModelSpec& model, std::uint32_t n_ranks)
{
  return bytes((n_ranks > 1 ? k_non_torch_parallel : k_non_torch) + k_graphs + k_graphs_per_layer * model.n_layer);
}

Bytes vllm_host(std::uint32_t n_ranks) { return bytes(k_host_base + k_host_per_rank * n_ranks); }

}  // namespace canirun
