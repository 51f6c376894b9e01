#pragma once

#include "canirun/core/model.hpp"

/// \file
/// What only the tensors of a file tell: optional weights, biases, gates, widths of experts.

namespace canirun {

/// Fills the flags and widths of `spec` that follow from `spec.tensors`. Layer counts, heads and head widths are set already.
void read_from_tensors(ModelSpec& spec);

}  // namespace canirun
