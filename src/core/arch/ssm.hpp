#pragma once

#include "arch/builder.hpp"

/// \file
/// Layers with a recurrent state: each takes the layer's normed input [n_embd, n_tokens] and gives what is added to the stream.
/// Sources: llama.cpp's src/models/delta-net-base.cpp, qwen35.cpp, qwen3next.cpp, lfm2.cpp. Mamba is in mamba.hpp.

namespace canirun {

/// How the projections of a gated delta net are stored.
enum class DeltaProjections {
  fused,    ///< Qwen3-Next: ssm_in (or attn_qkv and attn_gate), ssm_ba; Q and K repeated for each value head.
  separate  ///< Qwen3.5: attn_qkv, attn_gate, ssm_alpha, ssm_beta.
};
Ref gated_delta(Builder& b, const RecurrentInput& inp, Ref cur, DeltaProjections projections, std::uint32_t il);

/// LFM2's short convolution.
Ref short_convolution(Builder& b, const RecurrentInput& inp, Ref cur, std::uint32_t il);

/// build_conv_state: the last inputs of the convolution before `x` [n_tokens of a sequence, channels, n_seqs], and the new ones stored.
Ref with_conv_state(Builder& b, const RecurrentInput& inp, Ref x, std::uint64_t d_conv, std::uint64_t channels, std::uint32_t il);

}  // namespace canirun
