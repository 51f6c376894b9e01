#pragma once

#include "arch/builder.hpp"

/// \file
/// The two halves of a transformer layer with the options that families choose from: self_attention() and feed_forward().
/// Defaults are Llama's. What a model may lack (biases, optional norms) follows its ModelSpec or, of a file, the file.

namespace canirun {

struct AttentionOptions {
  bool fused_qkv = false;  ///< One attn_qkv matrix in a catalogue entry; of a file, the file decides.
  bool clamp_qkv = false;
  QkNorm qk_norm = QkNorm::none;
  Norm qk_norm_kind = Norm::rms;
  bool qk_norm_optional = false;  ///< Only where the model has it (ModelSpec::attn.qk_norm).
  bool rope = true;
  bool rope_factors = false;     ///< rope_freqs, where the model has it.
  bool rope_factors_swa = true;  ///< false: not on sliding layers.
  bool q_scaled = false;         ///< 1/√head is applied to Q, not inside the attention.
  bool sinks = false;
  bool out_bias = false;             ///< attn_output.bias, where the model has attn.bias_o.
  bool sub_norm = false;             ///< BitNet: a norm between the attention and attn_output.
  bool out_scaled = false;           ///< MiMo: the result is multiplied by a constant.
  OutGate out_gate = OutGate::none;  ///< `separate`: attn_gate, full width; `per_head`: one number a head.
  Ref temperature{};                 ///< An input that Q is multiplied with (Mistral 3).
};

/// Projections, norms and rotation of Q, K and V, the attention and its output projection: [n_embd, n_tokens].
Ref self_attention(Builder& b, Ref cur, const AttentionInput& inputs, Ref pos, const AttentionOptions& o, std::uint32_t il);

enum class SharedGate { none, sigmoid, silu };  ///< silu: silu(x)/x, as Qwen2-MoE's graph spells a sigmoid.

struct FeedForwardOptions {
  Act act = Act::silu;
  bool gated = true;        ///< A dense layer has a gate matrix.
  bool fused_gate = false;  ///< ffn_up holds gate and up, 2·n_ff wide; `act` is one of swiglu, geglu.
  bool halved = false;      ///< Qwen 1: feed_forward_length counts gate and up together.
  bool sub_norm = false;    ///< BitNet: a norm before ffn_down.
  // Layers with experts.
  Gating gating = Gating::softmax;
  bool norm_weights = true;
  bool scale_weights = false;
  Act expert_act = Act::silu;
  SharedGate shared_gate = SharedGate::none;
  bool halved_sum = false;        ///< The sum of routed and shared experts is multiplied by a constant (Cohere 2 MoE).
  bool bare_router_bias = false;  ///< The selection bias is called exp_probs_b, without ".bias".
  bool gate_up_exps = false;      ///< A file may hold gate and up of the experts as one tensor.
};

/// The dense or the expert feed-forward part of a layer: [n_embd, n_tokens].
Ref feed_forward(Builder& b, Ref cur, const FeedForwardOptions& o, std::uint32_t il);
Ref dense_feed_forward(Builder& b, Ref cur, const FeedForwardOptions& o, std::uint32_t il);
/// Experts alone, without shared ones. `logits`: of the router, where the family computes them from something else.
Ref expert_feed_forward(Builder& b, Ref cur, const FeedForwardOptions& o, std::uint32_t il, Ref router, Ref logits = {});
/// The shared experts' matrices ffn_{gate,up,down}_shexp, with their gate where the family has one.
Ref shared_experts(Builder& b, Ref cur, const FeedForwardOptions& o, std::uint32_t il);

/// Rotation factors of a layer; absent in most models.
Ref rope_factors(Builder& b, std::uint32_t il);

}  // namespace canirun
