#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "canirun/core/model.hpp"
#include "canirun/core/workload.hpp"

/// \file
/// The memory of a context that outlives a micro-batch: KV caches, indexer caches, recurrent states (llama-kv-cache*.cpp,
/// llama-memory-recurrent.cpp). One list of tensors, used for their bytes and as leaves of the graph.

namespace canirun {

enum class CacheKind : std::uint8_t { k, v, indexer_k, indexer_v, conv_state, ssm_state, compressed };

struct CacheTensor {
  CacheKind kind = CacheKind::k;
  std::uint32_t layer = 0;
  bool swa = false;  ///< Belongs to the sliding-window cache.
  TensorType type = TensorType::f16;
  std::array<std::uint64_t, 3> ne{1, 1, 1};  ///< k: n_embd_k_gqa, cells, streams. States: n_embd_r or n_embd_s, sequences, 1.

  bool is_state() const { return kind == CacheKind::conv_state || kind == CacheKind::ssm_state; }
};

/// F32 numbers of one sequence's state on a recurrent layer; 0 = none (llama-hparams.cpp: n_embd_r, n_embd_s).
std::uint64_t conv_state_width(const ModelSpec& model);
std::uint64_t ssm_state_width(const ModelSpec& model);

/// Cells of one stream of the sliding-window cache (llama-kv-cache-iswa.cpp): the windows of the sequences that share a stream, and one
/// micro-batch, padded to 256; all n_ctx_seq with --swa-full.
std::uint64_t sliding_cells(const ModelSpec& model, const RunShape& shape, bool swa_full);

/// V is stored transposed, as wide as on the widest layer, where flash attention was off when the cache was made: "auto" counts as on,
/// also where it is switched off later (llama_model::create_memory, attn_v_trans; llama_context::resolve_fused_ops).
bool stores_v_transposed(const ModelSpec& model, const Workload& workload);

/// Every cache tensor of a context; empty for models without one (embedding models).
std::vector<CacheTensor> cache_tensors(const ModelSpec& model, const Workload& workload, const RunShape& shape);

/// The same by kind of layer: layers repeat, and those of one kind keep equal tensors and have as many query heads.
struct CacheLayers {
  std::vector<CacheTensor> tensors;    ///< Of the first layer of each kind.
  std::vector<std::uint32_t> firsts;   ///< The first layer of each kind.
  std::vector<std::uint32_t> kind_of;  ///< Of each of the n_layer layers.
};
CacheLayers cache_layers(const ModelSpec& model, const Workload& workload, const RunShape& shape);
/// Changes the tensors to those of another context: layers of one kind are so at every length.
void set_context(CacheLayers& layers, const ModelSpec& model, const Workload& workload, const RunShape& shape);

}  // namespace canirun
