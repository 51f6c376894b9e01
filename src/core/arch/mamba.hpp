#pragma once

#include "arch/builder.hpp"

/// \file
/// State-space layers (models/mamba-base.cpp), used by Mamba models and by hybrids.

namespace canirun {

/// build_mamba_layer. `normed`: dt, B and C have norms with weights (Jamba); Falcon-Mamba normalises them without.
Ref mamba1_layer(Builder& b, const RecurrentInput& inputs, Ref cur, std::uint32_t il, bool normed);

/// build_mamba2_layer.
Ref mamba2_layer(Builder& b, const RecurrentInput& inputs, Ref cur, std::uint32_t il);

}  // namespace canirun
