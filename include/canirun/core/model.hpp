#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "canirun/core/file_type.hpp"

/// \file
/// What a model is, as llama.cpp knows it: the hyper-parameters that decide shapes, caches and the graph. A catalogue entry, a
/// GGUF file and a config.json all become a `ModelSpec`; one that exists is valid, so nothing after it fails.

namespace canirun {

struct MediaSpec;

/// A hyper-parameter that is one number for all layers or one number a layer (GGUF: scalar or array).
template <typename T>
class PerLayer {
 public:
  PerLayer() = default;
  PerLayer(T all) : all_(all) {}                             // NOLINT: a plain number is the common case
  PerLayer(std::vector<T> each) : each_(std::move(each)) {}  // NOLINT

  /// The value of layer `il`; past the end of an array, the scalar (0 by default).
  T operator()(std::size_t il) const { return il < each_.size() ? each_[il] : all_; }
  bool varies() const { return !each_.empty(); }
  const std::vector<T>& each() const { return each_; }
  friend bool operator==(const PerLayer&, const PerLayer&) = default;

 private:
  T all_{};
  std::vector<T> each_;
};

enum class ModelKind { text, embedding, image, video, audio };

/// How sure the figures of a catalogue entry are.
enum class Confidence { exact, recalled_exact, published, derived };

/// How an embedding model makes one vector of a text (GGUF pooling_type).
enum class Pooling { none, mean, cls, last, rank };

enum class QkNorm { none, per_head, full_width, per_head_each };  ///< per_head: one vector of head_dim for all heads.
enum class OutGate { none, full, per_head, separate };            ///< A gate on the attention's output.

struct AttentionSpec {
  QkNorm qk_norm = QkNorm::none;
  bool qk_norm_bias = false;  ///< LayerNorm with bias instead of RMS norm.
  bool bias_qkv = false;
  bool bias_o = false;
  bool sinks = false;
  bool sinks_swa_only = false;
  OutGate out_gate = OutGate::none;
};

/// Mixture of experts. Layers before `n_layer_dense_lead`, and those in `dense_layers`, have a dense FFN of width n_ff.
struct MoeSpec {
  std::uint32_t n_expert = 0;
  std::uint32_t n_expert_used = 0;
  std::uint32_t n_expert_shared = 0;
  std::uint32_t n_expert_zero = 0;    ///< Experts without weights (LongCat).
  std::uint32_t n_ff_expert = 0;      ///< Width of one expert.
  std::uint32_t n_ff_shared = 0;      ///< Total width of the shared experts; 0 = none.
  std::uint32_t n_ff_chunk = 0;       ///< Width of chunk experts (GroveMoE).
  std::uint32_t n_group_experts = 0;  ///< Experts that share a chunk expert (GroveMoE; GGUF experts_per_group).
  std::uint32_t n_layer_dense_lead = 0;
  std::vector<std::uint32_t> dense_layers;
  std::uint32_t expert_latent = 0;  ///< Experts work at this width instead of n_embd (Nemotron-3); 0 = n_embd.
  bool latent_norm = false;
  bool router_bias = false;  ///< exp_probs_b: a selection bias, one number an expert.
  bool shared_gate = false;  ///< ffn_gate_inp_shexp (Qwen MoE).
  bool gated = true;
  bool expert_bias = false;
};

/// Sliding windows or chunks.
struct SwaSpec {
  std::uint32_t window = 0;  ///< Tokens; 0 = none.
  bool chunked = false;      ///< llama4: chunks instead of a window.
  std::vector<bool> local;   ///< One a layer: true = sliding.
};

/// Multi-head latent attention (DeepSeek), and its sparse indexer (DSA).
struct MlaSpec {
  std::uint32_t q_lora_rank = 0;  ///< 0 = plain query projection.
  std::uint32_t kv_lora_rank = 0;
  std::uint32_t qk_rope_head_dim = 0;
  std::uint32_t qk_nope_head_dim = 0;
  std::uint32_t v_head_dim = 0;
  std::uint32_t indexer_n_head = 0;  ///< 0 = no indexer.
  std::uint32_t indexer_head_dim = 0;
  std::uint32_t indexer_top_k = 0;
  std::vector<std::uint32_t> indexer_layers;  ///< Layers with their own indexer; empty = all.
};

enum class SsmKind { none, mamba1, mamba2, gated_delta, kda, shortconv, rwkv6, rwkv7, lightning };

/// State-space, linear-attention and convolution layers. Names are GGUF's `ssm.*` keys.
struct SsmSpec {
  SsmKind kind = SsmKind::none;
  std::uint32_t d_conv = 0;
  std::uint32_t d_inner = 0;
  std::uint32_t d_state = 0;
  std::uint32_t n_group = 0;   ///< gated_delta: number of key heads.
  std::uint32_t dt_rank = 0;   ///< mamba2, gated_delta: number of (value) heads, as llama.cpp stores it.
  std::uint32_t head_dim = 0;  ///< Width of a head of linear attention (kda, rwkv: wkv head size).
  bool dt_b_c_norm = false;
  bool conv_bias = false;
  bool norm = true;  ///< Falcon-H1 small models have no gated norm.
  bool full_rank_gate = false;
  // RWKV low-rank widths (GGUF attention.*_lora_rank, rwkv.*).
  std::uint32_t token_shift_count = 2;  ///< RWKV: 1 in the hybrids made of Qwen (rwkv6qwen2, arwkv7).
  std::uint32_t n_lora_decay = 0, n_lora_iclr = 0, n_lora_value = 0, n_lora_gate = 0, time_mix_extra = 0, time_decay_extra = 0;
};

/// Gemma 3n/4 per-layer embeddings and other parts few families have.
struct PerLayerEmbedding {
  std::uint32_t n_embd = 0;  ///< Width per layer; 0 = none.
  std::uint32_t n_vocab = 0;
};

/// DeepSeek-V4: compressed attention and hyper-connections.
struct DeepSeek4Spec {
  std::vector<std::uint32_t> compress_ratios;
  std::uint32_t hc_mult = 0, o_groups = 0, o_lora_rank = 0, num_hash_layers = 0;
};

/// MiniMax-M3 style block-sparse attention.
struct SparseAttentionSpec {
  std::uint32_t n_index_head = 0, index_dim = 0, block_size = 0, topk_blocks = 0, first_layer = 0;
};

/// One weight tensor as a file holds it.
struct FileTensor {
  std::string name;
  TensorType type = TensorType::f32;
  std::vector<std::uint64_t> shape;  ///< ne[0] first, up to 4.
};

/// A model, ready to be planned. All counts as GGUF has them; names are GGUF's keys without the architecture prefix. That means:
/// - latent attention with an absorbed cache (deepseek2, glm-dsa, kimi-linear, mistral4 …) has n_head_kv 1, head_dim_k =
///   kv_lora_rank + qk_rope_head_dim and head_dim_v = kv_lora_rank; the decompressed heads are in `mla`. minicpm3 and plm keep
///   decompressed heads (n_head_kv = n_head), and so do old deepseek2 files;
/// - hybrids whose layers are told apart by their key heads (granitehybrid, jamba, lfm2, kimi-linear, nemotron_h …) have n_head_kv 0
///   on recurrent layers, nemotron_h also n_ff 0 on layers without a feed-forward part;
/// - gemma4 has its global layers' heads in head_dim_k/v and its sliding layers' in head_dim_k/v_swa;
/// - a sliding window is present only where llama.cpp applies it.
struct ModelSpec {
  std::string id;
  std::string name;
  std::string arch;  ///< llama.cpp's `general.architecture`.
  ModelKind kind = ModelKind::text;

  std::uint32_t n_ctx_train = 0;
  std::uint32_t n_layer = 0;        ///< Blocks that run; without MTP/nextn blocks.
  std::uint32_t n_layer_nextn = 0;  ///< MTP blocks in the file, not loaded by default.
  std::uint32_t n_embd = 0;
  std::uint32_t n_vocab = 0;
  PerLayer<std::uint32_t> n_head;
  PerLayer<std::uint32_t> n_head_kv;
  PerLayer<std::uint32_t> n_ff;
  std::uint32_t head_dim_k = 0;
  std::uint32_t head_dim_v = 0;
  std::uint32_t head_dim_k_swa = 0;  ///< Of sliding layers where they differ (Gemma 4); else equal to head_dim_k.
  std::uint32_t head_dim_v_swa = 0;
  std::uint32_t n_rot = 0;      ///< Rotated part of a head; equal to head_dim_k unless the file says otherwise.
  std::uint32_t n_rot_swa = 0;  ///< Of sliding layers.

  bool tied_embeddings = false;  ///< No output.weight: the token embedding serves.
  bool causal = true;
  Pooling pooling = Pooling::none;  ///< GGUF pooling_type: 0 none, 1 mean, 2 cls, 3 last, 4 rank.
  bool ffn_gated = true;
  bool ffn_bias = false;
  bool norm_bias = false;
  bool lm_head_bias = false;
  bool rope_freqs = false;  ///< A rope_freqs (or rope_factors) tensor is in the file.
  std::uint32_t norms_per_layer = 2;
  bool swin_norm = false;  ///< Chameleon 30B: a layer's norms come after its parts (GGUF swin_norm).
  bool parallel_residual = false;
  std::uint32_t n_layer_kv_shared = 0;  ///< The last layers that use an earlier layer's cache.
  bool k_eq_v = false;                  ///< Gemma 4: global layers have no V projection.
  std::uint32_t n_pos_emb = 0;          ///< Rows of a learned position table; 0 = none.
  std::uint32_t n_token_types = 0;
  bool pooler = false;                    ///< BERT: the published weights have a pooler, which GGUF files leave out.
  std::uint32_t n_cls_out = 0;            ///< Outputs of a classification head (rerankers); 0 = none.
  std::uint32_t n_embd_out = 0;           ///< Width of the embedding output where it differs from n_embd; 0 = n_embd.
  std::uint32_t n_layer_dec = 0;          ///< Decoder blocks of an encoder-decoder model (T5); 0 = as many as n_layer.
  std::uint32_t n_rel_attn_buckets = 0;   ///< Relative attention biases (T5).
  std::uint32_t n_deepstack_layers = 0;   ///< Layers that take extra vision embeddings (Qwen3-VL): the input is that much wider.
  std::uint32_t attn_res_block_size = 0;  ///< Kimi K3: blocks of the attention residual; 0 = none.
  std::vector<std::uint32_t> recurrent_layers;
  std::vector<std::uint32_t> cross_attn_layers;

  AttentionSpec attn;
  std::optional<MoeSpec> moe;
  std::optional<SwaSpec> swa;
  std::optional<MlaSpec> mla;
  std::optional<SsmSpec> ssm;
  std::optional<PerLayerEmbedding> per_layer_embd;
  std::optional<DeepSeek4Spec> dsv4;
  std::optional<SparseAttentionSpec> sparse;

  std::uint64_t n_params = 0;  ///< Of the catalogue or the file; checked against the plan by a test.
  std::uint64_t n_params_active = 0;
  std::uint64_t n_params_mmproj = 0;
  std::uint64_t n_params_mtp = 0;
  std::optional<FileType> native_type;  ///< gpt-oss: MXFP4_MOE.

  std::shared_ptr<MediaSpec> media;  ///< Parts and shapes of an image, video or audio model (media.hpp); never changed once read.

  /// From a GGUF: its own tensor table decides which optional weights exist, and their types. Empty for a catalogue entry.
  std::vector<FileTensor> tensors;
  std::optional<FileType> file_type;  ///< From a GGUF.
  std::uint64_t file_bytes = 0;       ///< From a GGUF: size of all its parts on disk.

  /// Width of one cached head of layer `il` (llama-hparams.cpp: n_embd_head_k, n_embd_head_v); of MLA the latent.
  std::uint64_t head_k(std::size_t il) const;
  std::uint64_t head_v(std::size_t il) const;
  /// Width of a cache row of layer `il`, all KV heads (n_embd_k_gqa, n_embd_v_gqa), and the widest V of all layers.
  std::uint64_t n_embd_k_gqa(std::size_t il) const;
  std::uint64_t n_embd_v_gqa(std::size_t il) const;
  std::uint64_t n_embd_v_gqa_max() const;
  /// The cache holds latents (one head of kv_lora_rank + qk_rope_head_dim, no V): GGUF has attention.key_length_mla. MiniCPM3, PLM and
  /// old DeepSeek-V2 files cache full heads instead.
  bool is_mla() const { return mla && mla->kv_lora_rank > 0 && head_dim_k == mla->kv_lora_rank + mla->qk_rope_head_dim; }

  bool is_recurrent(std::size_t il) const;
  bool is_swa(std::size_t il) const;
  bool is_moe(std::size_t il) const;
};

}  // namespace canirun
