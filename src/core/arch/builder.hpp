#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "arch/arch.hpp"
#include "arch/tensor_name.hpp"
#include "cache.hpp"
#include "graph/ops.hpp"

/// \file
/// What an architecture's function writes with: weights, inputs and the blocks that models share, named as in llama-graph.cpp
/// (build_norm → norm, build_qkv → qkv, build_attn → attention, build_ffn → ffn, build_moe_ffn → moe_ffn).
///
/// The function runs in one of two modes. *Declaring*, weight() appends to the plan and operations do nothing. *Recording*, the
/// same calls in the same order find their tensor again (TensorPlan::slots) and operations are recorded. Both runs must make the
/// same weight calls: never let shape, cache or flash attention decide whether a weight is asked for.

namespace canirun {

enum class Norm { rms, layer };
enum class Act { silu, gelu, relu, relu_sqr, situ, swiglu, geglu, reglu };  ///< The last three split one tensor in halves.
enum class Gating { softmax, sigmoid, softmax_weight, sqrt_softplus };

struct Qkv {
  Ref q = {}, k = {}, v = {};
};

struct QkvShape {
  std::uint64_t n_in = 0;  ///< 0 = n_embd.
  std::uint64_t n_head = 0, n_head_kv = 0;
  std::uint64_t head_q = 0, head_k = 0, head_v = 0;
  bool bias = false;
  bool fused = false;   ///< One attn_qkv matrix; of a file, the file decides.
  bool clamp = false;   ///< f_clamp_kqv > 0 (GGUF attention.clamp_kqv).
  bool reshape = true;  ///< [head, n_head, n_tokens]; false: matrices (models that normalise the full width first).
};

/// Inputs of the attention over one cache.
struct CacheInput {
  Ref k_idxs = {}, v_idxs = {}, mask = {}, k_rot = {}, v_rot = {};
};

enum class AttentionKind { kv, kv_iswa, k, k_iswa, no_cache };

struct AttentionInput {
  AttentionKind kind = AttentionKind::kv;
  CacheInput base = {}, swa = {};
  CacheInput indexer = {};  ///< Over the cache of indexer keys (DeepSeek sparse attention).
};

/// Arguments of build_attn. `k` and `v` may be absent where a layer reads another layer's cache (kv_iswa).
struct Attention {
  Ref q = {}, k = {}, v = {};
  Ref wo = {}, wo_b = {};
  Ref kq_b = {}, sinks = {}, v_mla = {};
  Ref top_k = {};                 ///< Cells that sparse attention keeps, [n_top_k, n_tokens, 1, n_stream].
  bool soft_cap = false;          ///< hparams.attn_soft_cap: three more operations without flash attention.
  bool grok_cap = false;          ///< Grok's own capping of the scores.
  std::int32_t cache_layer = -1;  ///< Layer whose cache is read; -1 = the layer itself.
};

struct Ffn {
  Ref up = {}, up_b = {}, gate = {}, gate_b = {}, down = {}, down_b = {};
  Ref act_scales = {};
  Act act = Act::silu;
  bool sequential = false;  ///< LLM_FFN_SEQ: the gate is applied to the up projection's result.
  bool clamped = false;     ///< swiglu_clamp_shexp > 0 for this layer.
};

struct Moe {
  Ref gate_inp = {}, gate_inp_b = {}, up = {}, up_b = {}, gate = {}, gate_b = {}, down = {}, down_b = {};
  bool chunk_ids = false;            ///< GroveMoE: experts are chosen among more than these have matrices; neighbours share one.
  Ref down_scale = {};               ///< One factor an expert (Gemma 4).
  Ref gate_up = {}, gate_up_b = {};  ///< One matrix for gate and up.
  Ref probs_b = {};                  ///< exp_probs_b
  Ref probs_in = {}, selected_in = {};
  std::uint64_t n_expert = 0, n_expert_used = 0;
  Act act = Act::silu;  ///< silu, gelu, relu, relu_sqr; gated when there is a gate matrix.
  Gating gating = Gating::softmax;
  bool norm_weights = true;
  bool scale_weights = false;                     ///< expert_weights_scale is neither 0 nor 1.
  bool weight_before_ffn = false;                 ///< llama4
  bool select_logits = false;                     ///< llama4: top-k of the logits.
  bool select_sigmoid = false;                    ///< grovemoe: top-k of their sigmoid.
  bool clamped = false;                           ///< swiglu_clamp_exp > 0 for this layer.
  bool down_prec_f32 = false;                     ///< mistral4
  std::uint64_t n_groups = 0, n_groups_used = 0;  ///< hparams.n_expert_groups, n_group_used
};

struct RecurrentInput {
  Ref s_copy = {}, s_copy_main = {}, s_copy_extra = {};
};

class Builder;

/// The layers that an architecture's loop visits: `for (const auto il : b.layers())`. Recording may leave repetitions out.
class LayerLoop {
 public:
  class Iterator {
   public:
    Iterator(Builder& b, std::size_t i) : b_(&b), i_(i) {}
    std::uint32_t operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return i_ == other.i_; }

   private:
    Builder* b_;
    std::size_t i_;
  };

  explicit LayerLoop(Builder& b) : b_(b) {}
  Iterator begin() const;
  Iterator end() const;

 private:
  Builder& b_;
};

class Builder : public GraphOps {
 public:
  Builder(const ModelSpec& model, TensorPlan& plan);                                                   ///< Declaring.
  Builder(const ModelSpec& model, const TensorPlan& plan, const GraphRequest& request, Graph& graph);  ///< Recording.

  const ModelSpec& model() const { return model_; }
  const GraphRequest& request() const { return request_; }
  std::uint64_t n_tokens() const { return n_tokens_; }  ///< Of the micro-batch, a multiple of n_seqs.
  std::uint64_t n_outputs() const { return request_.shape.n_outputs; }
  std::uint64_t n_seqs() const { return request_.shape.n_seq_max; }
  std::uint64_t n_seq_tokens() const { return n_tokens_ / n_seqs(); }
  /// Layers 0 … n_layer − 1, or those of them that the request asks for. Once in an architecture's function.
  LayerLoop layers() { return LayerLoop(*this); }

  // --- Weights (builder.cpp) ---------------------------------------------------------------------------------------------------
  /// "blk.<il>.<name>.weight" (or "<name>.weight" with k_global), shape ne0 first. Always there. A name that begins with "enc." or
  /// "dec." keeps that in front: "enc.blk.<il>…".
  Ref weight(std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne);
  /// One that a catalogue entry has if `exists`, and a file if it is in it. An absent one is Ref{}.
  Ref weight_if(bool exists, std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne);
  Ref bias(std::string_view name, std::uint32_t il, std::uint64_t n);
  Ref bias_if(bool exists, std::string_view name, std::uint32_t il, std::uint64_t n);
  /// A table of 32-bit integers, "<name>.weight": never quantised.
  Ref table(std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne);
  /// A name without ".weight" or ".bias": "ssm_a".
  Ref bare(std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne);
  Ref bare_if(bool exists, std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne);
  /// A tensor outside the blocks that every layer uses (rope_freqs): in the plan once, in the graph on each layer's device.
  Ref shared_if(bool exists, std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne);
  /// output.weight, or the token embedding once more where the model ties them.
  Ref output_weight();

  // --- Inputs (builder.cpp) ----------------------------------------------------------------------------------------------------
  Ref embedding() const { return token_embd_; }  ///< The table that inp_embd() read: on the host.
  Ref inp_embd(bool scaled = false);             ///< Rows of token_embd; `scaled`: the model has an f_embedding_scale (Granite).
  Ref inp_tokens() const { return tokens_; }     ///< Of inp_embd.
  Ref inp_pos(std::uint64_t per_token = 1);
  Ref inp_out_ids();
  Ref inp_attn_scale();

  // --- Blocks ------------------------------------------------------------------------------------------------------------------
  Ref norm(Norm kind, Ref cur, Ref w, Ref b = {}, std::uint32_t il = k_global);
  /// RMS norm with "<name>.weight" of n_embd elements (or LayerNorm, with its bias where the model has norm_bias).
  Ref norm(Ref cur, std::string_view name, std::uint32_t il, Norm kind = Norm::rms);
  using GraphOps::norm;
  /// w·cur (+ bias): "<name>.weight" [n_in, n_out] and, if there, "<name>.bias".
  Ref linear(Ref cur, std::string_view name, std::uint32_t il, std::uint64_t n_in, std::uint64_t n_out, bool has_bias = false);
  Qkv qkv(Ref cur, std::uint32_t il, const QkvShape& shape);
  /// The usual shape: n_head, n_head_kv of the layer, head_k, head_v, biases as the model says.
  QkvShape qkv_shape(std::uint32_t il) const;

  // --- Attention (attention.cpp) -----------------------------------------------------------------------------------------------
  AttentionInput attn_inp_kv();
  AttentionInput attn_inp_kv_iswa();
  AttentionInput attn_inp_k();
  AttentionInput attn_inp_k_iswa();
  AttentionInput attn_inp_no_cache();
  AttentionInput attn_inp_k_dsa();
  AttentionInput attn_inp_kv_msa();
  /// kv_iswa for a model with sliding layers, kv otherwise.
  AttentionInput attn_inp_auto() { return model_.swa ? attn_inp_kv_iswa() : attn_inp_kv(); }
  Ref attention(const AttentionInput& inp, const Attention& a, std::uint32_t il);
  /// build_attn_mha alone.
  Ref attention_mha(const Attention& a, Ref q, Ref k, Ref v, Ref mask, std::uint32_t il);
  /// The K or V cache of a layer as a leaf; made once.
  Ref cache(CacheKind kind, std::uint32_t il);
  std::uint64_t kv_cells(bool swa) const;  ///< Cells of one stream.
  /// cpy_k and get_k (llama-kv-cache.cpp) of a cache of keys, `kind` k or indexer_k: stores the micro-batch; all cells of a layer as
  /// [head, n_head_kv, n_cells, n_stream].
  void store_k(Ref cur, Ref idxs, std::uint32_t il, CacheKind kind = CacheKind::k);
  Ref load_k(std::uint32_t il, CacheKind kind = CacheKind::k);
  /// cpy_v and get_v.
  void store_v(Ref cur, Ref idxs, std::uint32_t il);
  Ref load_v(std::uint32_t il);
  /// The same for any tensor of cells [width, n_cells, n_stream].
  void store_rows(Ref cells, Ref cur, Ref idxs);
  Ref load_cells(Ref cells, std::uint64_t head);
  /// llama_mul_mat_hadamard; without a rotation `cur` itself.
  Ref rotate(Ref cur, Ref rot);
  /// `mask` with all but the chosen cells at −∞; the constant it is written with has a type of its own.
  Ref top_k_mask(Ref mask, Ref top_k, TensorType zeros = TensorType::f32);

  // --- Feed-forward (ffn.cpp, moe.cpp) -------------------------------------------------------------------------------------------
  Ref ffn(Ref cur, const Ffn& f);
  /// The matrices "ffn_gate<suffix>", "ffn_up<suffix>", "ffn_down<suffix>" of width n_ff, with biases where the model has ffn_bias.
  Ffn ffn_weights(std::uint32_t il, std::uint64_t n_ff, std::string_view suffix = "");
  Ref situ(Ref gate, Ref up);  ///< beta·tanh(gate/beta)·sigmoid(gate) · beta'·tanh(up/beta'), of Kimi K3.
  Ref moe_ffn(Ref cur, const Moe& m);
  /// Router and experts of width moe->n_ff_expert: ffn_gate_inp, ffn_{gate,up,down}_exps, exp_probs_b where the model has it.
  Moe moe_weights(std::uint32_t il);

  // --- Recurrent state (recurrent.cpp) --------------------------------------------------------------------------------------------
  RecurrentInput rs_inp();
  /// A conv_state or ssm_state of a layer as a leaf of `width` numbers for every sequence; made once.
  Ref state(CacheKind kind, std::uint32_t il, std::uint64_t width);
  /// build_rs: the states of the batch's sequences, [width, n_seqs].
  Ref rs(const RecurrentInput& inp, Ref state, std::uint64_t width);
  /// The same where `fetch(states, ids)` reads them itself (ssm_scan) and returns what it made.
  template <typename Fetch>
  Ref rs(const RecurrentInput& inp, Ref state, std::uint64_t width, Fetch fetch);

  // --- The end -----------------------------------------------------------------------------------------------------------------
  /// Final norm → logits: marks both as outputs and closes the graph. `embd` is t_embd, `logits` may be absent (embedding models).
  void finish(Ref embd, Ref logits);
  /// output_norm, output matrix, finish.
  void finish_lm(Ref cur, Norm kind = Norm::rms);

  /// After declaring: false when a file lacks a tensor or has it in another shape, so that no graph can be built.
  bool complete() const { return complete_; }

 private:
  friend class LayerLoop;
  std::size_t n_visits() const { return request_.layers.empty() ? model_.n_layer : request_.layers.size(); }
  std::uint32_t layer_of(std::size_t visit) const
  {
    return request_.layers.empty() ? static_cast<std::uint32_t>(visit) : request_.layers[visit];
  }
  void begin_layer(std::size_t visit);
  void end_layer();
  Ref declare(std::string_view name, std::string_view suffix, std::uint32_t il, std::initializer_list<std::uint64_t> ne,
              bool exists, bool required, bool shared);
  Ref slot(std::uint32_t il);
  CacheInput cache_input(bool swa, bool with_v, bool rotated);
  Ref activation(Act kind, Ref cur);
  Ref rs_begin(Ref state, std::uint64_t width);
  void rs_end(const RecurrentInput& inp, Ref state, Ref states, std::uint64_t width);

  const ModelSpec& model_;
  GraphRequest request_;
  std::uint64_t n_tokens_ = 1;
  TensorPlan* declared_ = nullptr;
  const TensorPlan* plan_ = nullptr;
  std::size_t cursor_ = 0;
  std::uint32_t layer_now_ = 0;  ///< While declaring: the layer of the loop.
  Ref token_embd_;
  bool complete_ = true;
  /// What the architecture asks for by one name in every layer.
  struct KnownRole {
    std::string name;
    std::string_view suffix;  ///< One of three that are here for good.
    bool in_block = false;
    std::uint64_t hash = 0;
    bool in_plan = false;  ///< A catalogue entry has it; then …
    PlannedTensor like;    ///< … what its tensors have in common.
  };
  KnownRole& known_role(std::string_view name, std::string_view suffix, bool in_block);
  std::vector<KnownRole> roles_;
  std::size_t next_role_ = 0;
  std::optional<NamedTensors> named_;    ///< Of a GGUF.
  Ref tokens_;
  std::unordered_map<std::string_view, std::int32_t> files_;  ///< Of a GGUF: tensor by name.
  std::vector<std::int32_t> from_file_;                       ///< Declared index of a file's tensor, or −1.
  std::vector<std::array<Ref, 8>> caches_;                    ///< By layer and kind.
};

template <typename Fetch>
Ref Builder::rs(const RecurrentInput& inp, Ref state, std::uint64_t width, Fetch fetch)
{
  const auto states = rs_begin(state, width);
  const auto fetched = fetch(states, inp.s_copy_main);
  expand(fetched);
  rs_end(inp, state, states, width);
  return fetched;
}

}  // namespace canirun
