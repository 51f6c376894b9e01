#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "canirun/core/tensor_type.hpp"

namespace canirun {

/// What llama.cpp accepts for -ctk and -ctv (common/arg.cpp: kv_cache_types).
inline constexpr std::array k_cache_types{TensorType::f32,  TensorType::f16,    TensorType::bf16, TensorType::q8_0, TensorType::q4_0,
                                          TensorType::q4_1, TensorType::iq4_nl, TensorType::q5_0, TensorType::q5_1};
inline constexpr std::string_view k_cache_type_names = "f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1";

/// A type of the cache by its name, or nothing when the cache cannot have it.
inline std::optional<TensorType> parse_cache_type(std::string_view text)
{
  for (const auto t : k_cache_types) {
    if (traits(t).name == text) return t;
  }
  return std::nullopt;
}

}  // namespace canirun
