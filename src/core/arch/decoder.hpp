#pragma once

#include <string_view>

#include "arch/builder.hpp"

/// \file
/// The layer that most decoders share (norm, attention, residual sum, norm, feed-forward, residual sum), with the points at which
/// families differ. A family whose layer is of another kind writes its own loop.

namespace canirun {

/// A feed-forward block: from the normed input of layer `il` to what is added to the residual stream.
using FeedForward = Ref (*)(Builder& b, Ref cur, std::uint32_t il);

Ref dense_ffn(Builder& b, Ref cur, std::uint32_t il);  ///< Gate, up and down of width n_ff.
Ref fused_ffn(Builder& b, Ref cur, std::uint32_t il);  ///< Gate and up as one matrix ffn_up (GLM-4, ChatGLM): LLM_FFN_SWIGLU.

/// Routed experts and, where the model has them, shared ones beside them.
struct ExpertStyle {
  Gating gating = Gating::softmax;
  bool norm_weights = false;   ///< Weights of the chosen experts are scaled to sum 1.
  bool down_prec_f32 = false;  ///< Mistral 4
  Act act = Act::silu;
};
Ref expert_ffn(Builder& b, Ref cur, std::uint32_t il, const ExpertStyle& style);

/// Experts in the layers that have them, dense_ffn in the others. The routing is DeepSeek-V3's where the model has a selection bias
/// (sigmoid, normalised weights), a plain softmax elsewhere.
Ref experts_or_dense(Builder& b, Ref cur, std::uint32_t il);

enum class HeadNorm { none, before_rope, after_rope };

struct Decoder {
  Norm norm = Norm::rms;
  bool fused_qkv = false;
  bool clamp_qkv = false;
  std::uint64_t positions = 1;  ///< Position numbers a token; 4 with multi-modal rotation.
  HeadNorm head_norm = HeadNorm::none;  ///< attn_q_norm and attn_k_norm of one head's width.
  std::string_view ffn_norm = "ffn_norm";
  std::string_view attn_post_norm = {};  ///< Of the attention's output, before the residual sum; empty = none.
  std::string_view ffn_post_norm = {};
  FeedForward feed_forward = dense_ffn;
};

/// The whole model: embedding, n_layer such layers, final norm, output matrix.
void decoder(Builder& b, const Decoder& d);

/// attn_output of a layer: [n_head · head_v, n_embd].
Ref attn_output(Builder& b, std::uint32_t il);

/// The rows that need logits: called on the last layer only, so that what follows works on n_outputs columns.
void keep_outputs(Builder& b, std::uint32_t il, Ref out_ids, Ref& cur, Ref& residual);

}  // namespace canirun
