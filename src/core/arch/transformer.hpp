#pragma once

#include "arch/blocks.hpp"

/// \file
/// The plain decoder: attention and feed-forward layers on one residual stream. Most families are this one with other options.

namespace canirun {

enum class Rope {
  all,
  none,
  sliding,        ///< Only layers with a sliding window.
  sliding_or_lead,  ///< Those and the dense layers before the experts (Cohere 2 MoE).
  skip_last_of_4  ///< Not layers 3, 7, 11, …
};

/// Where the feed-forward part gets its input, and how the sums of a layer are nested. `x` is the layer's input, `n` its norm, `a`
/// the attention's result, `f` the feed-forward function.
enum class Residual {
  sequential,       ///< y = a + x;  f(norm(y)) + y
  normed_input,     ///< y = a + x;  f(n) + y                (StableLM 12B)
  attention_first,  ///< (a + f(n)) + x                      (Phi-2)
  ffn_first,        ///< (f(n) + a) + x                      (Falcon)
  input_second,     ///< (f(n) + x) + a                      (Command-R)
  second_norm,      ///< (f(norm2(x)) + x) + a               (GPT-NeoX)
};

struct TransformerOptions {
  // Input.
  bool scaled_embd = false;     ///< The embedding is multiplied by a constant.
  bool pos_embd = false;        ///< position_embd is added.
  bool embd_norm = false;       ///< token_embd_norm
  bool embd_scaled_to_unit = false;  ///< An RMS norm without weights of the embedding (Muse Glimmer).
  std::uint64_t positions = 1;  ///< Position numbers a token; 4 with multi-modal rotation, 0 with ALiBi.
  // Norms.
  Norm norm = Norm::rms;
  bool norm_weight = true;          ///< OLMo: norms without weights.
  bool norm_bias = false;           ///< Always; else where the model has it (ModelSpec::norm_bias).
  bool pre_norm = true;             ///< attn_norm and ffn_norm before the parts.
  bool post_norm = false;           ///< post_attention_norm and post_ffw_norm after them.
  bool post_norm_all_rows = false;  ///< post_attention_norm comes before the choice of output rows.
  bool post_norm_bare = false;      ///< Their names have no ".weight" (PLaMo).
  std::string_view ffn_norm = "ffn_norm";
  // Parts.
  AttentionOptions attn{};
  Rope rope = Rope::all;
  FeedForwardOptions ffn{};
  Residual residual = Residual::sequential;
  bool attn_norm_2 = false;  ///< Falcon 40B: Q, K and V have a norm of their own.
  bool sum_first = false;    ///< The last sum of a layer is y + f, not f + y.
  bool input_first = false;  ///< The first is x + a, not a + x (OpenELM).
  bool scaled_residual = false;
  bool deepstack = false;     ///< Qwen3-VL: image features are added after the first layers.
  bool temperature = false;   ///< Q is multiplied by an input (Mistral 3).
  bool no_cache = false;      ///< Diffusion models: attention over the micro-batch alone.
  bool late_outputs = false;  ///< Models with MTP blocks keep all rows up to the final norm (t_h_nextn).
  bool nextn_before_norm = false;
  bool scaled_logits = false;
  bool capped_logits = false;  ///< A final soft cap: three more operations on the logits.
  bool output_from_input = false;  ///< BitNet: the logits come from the input's token_embd, not from a second copy.
};

/// The rows that the logits are computed from are chosen in the last layer, as llama.cpp does it.
void transformer(Builder& b, const TransformerOptions& o);

/// Norm with the weights of a family that has them or not.
Ref stream_norm(Builder& b, Ref cur, std::string_view name, const TransformerOptions& o, std::uint32_t il);

/// output_norm and the output matrix: closes the graph. `out_ids` where the rows have not been chosen yet.
void logits_output(Builder& b, Ref cur, const TransformerOptions& o, Ref out_ids = {});

}  // namespace canirun
