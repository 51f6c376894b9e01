#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "canirun/core/model.hpp"

/// \file
/// What makes a ModelSpec valid, whichever file it comes from.

namespace canirun {

inline constexpr std::uint32_t k_max_layers = 512;    ///< llama.cpp: LLAMA_MAX_LAYERS (llama-hparams.h).
inline constexpr std::uint32_t k_max_experts = 1024;  ///< llama.cpp: LLAMA_MAX_EXPERTS.

/// Fills what follows from other fields when the file leaves it out: the heads of sliding layers, the rotated width.
void complete(ModelSpec& spec);

/// The first contradiction, as "field: sentence"; nothing for a valid spec. Models without an architecture of llama.cpp need
/// no shapes.
std::optional<std::string> invalid(const ModelSpec& spec);

}  // namespace canirun
