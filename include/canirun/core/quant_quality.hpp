#pragma once

#include <optional>
#include <string_view>

#include "canirun/core/file_type.hpp"

/// \file
/// What a quantisation costs in quality. Measured on one model (Llama 3 8B, wikitext-2, against F16): larger models lose less, small ones,
/// mixtures of experts and code more.

namespace canirun {

struct QuantQuality {
  FileType quant = FileType::F16;
  bool imatrix = false;      ///< Measured with an importance matrix; false where both exist.
  double kl_divergence = 0;  ///< Mean over tokens, nats: how far the next token's probabilities move.
  double perplexity_increase = 0;  ///< Share: 0.03 = 3 % more.

  /// "nothing that shows", "little", "some", "much", "too much".
  std::string_view words() const;
};

/// Nothing where nobody measured it.
std::optional<QuantQuality> quality_of(FileType quant);

inline constexpr std::string_view k_quality_source = "llama.cpp tools/perplexity/README.md";
inline constexpr std::string_view k_quality_model = "Llama 3 8B";

}  // namespace canirun
