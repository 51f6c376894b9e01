#pragma once

#include "arch/builder.hpp"

/// \file
/// Kimi delta attention, of Kimi Linear, Kimi K3 and BailingMoE 3.

namespace canirun {

/// How a layer's output is gated and its decay bounded.
enum class KimiGate {
  low_rank,   ///< Kimi Linear: ssm_g_a and ssm_g_b; softplus.
  full_rank,  ///< Kimi K3: ssm_g; a scaled sigmoid, kda.gate_lower_bound.
  direct,     ///< BailingMoE 3: full matrices under the names of the first halves, ssm_f_a and ssm_g_a; the same sigmoid.
};

/// A gated delta net whose decay is a vector for each head, from a low-rank projection; Q, K and V pass short convolutions.
Ref kimi_delta(Builder& b, const RecurrentInput& inp, Ref cur, KimiGate gate, std::uint32_t il);

}  // namespace canirun
