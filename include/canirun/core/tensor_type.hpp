#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <optional>
#include <string_view>

#include "canirun/core/units.hpp"

/// \file
/// Block formats of single tensors (`ggml_type`). A file mixes several of them: see file_type.hpp.

namespace canirun {

/// The values are those of `enum ggml_type` as stored in GGUF files (ggml/include/ggml.h); the gaps are formats that were removed.
enum class TensorType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q8_1 = 9,
  q2_K = 10,
  q3_K = 11,
  q4_K = 12,
  q5_K = 13,
  q6_K = 14,
  q8_K = 15,
  iq2_xxs = 16,
  iq2_xs = 17,
  iq3_xxs = 18,
  iq1_s = 19,
  iq4_nl = 20,
  iq3_s = 21,
  iq2_s = 22,
  iq4_xs = 23,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  iq1_m = 29,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  mxfp4 = 39,
  nvfp4 = 40,
  q1_0 = 41,
  q2_0 = 42,
};

/// Size of one block: `block_weights` weights are stored in `block_bytes` bytes (q8_0: 32 in 34). Bits per weight follow.
struct TensorTypeTraits {
  std::string_view name;  ///< ggml's own spelling: "q4_K", "iq2_xxs", "f16".
  std::uint32_t block_weights = 1;
  std::uint32_t block_bytes = 1;
  bool quantized = false;
};

/// By ggml's number; an empty name where there is no type.
extern const std::array<TensorTypeTraits, 64> tensor_type_traits;

/// Traits of a type; for a value that no enumerator has, `known_tensor_type` says so first. Inline, with row_size: a listing of the
/// catalogue asks millions of times.
inline const TensorTypeTraits& traits(TensorType type)
{
  const auto number = static_cast<std::size_t>(type);
  assert(number < tensor_type_traits.size() && !tensor_type_traits[number].name.empty());
  return tensor_type_traits[number];
}

/// The type with this number in a GGUF file, or nothing for a number that this version does not know.
std::optional<TensorType> known_tensor_type(std::uint32_t ggml_type);

/// By ggml's name, case ignored ("f16", "q8_0", "Q4_K").
std::optional<TensorType> parse_tensor_type(std::string_view name);

/// Bytes of one row of `n` weights: n / block_weights · block_bytes (ggml_row_size); `n` is a multiple of the block.
inline Bytes row_size(TensorType type, std::uint64_t n)
{
  const auto& t = traits(type);
  return {n / t.block_weights * t.block_bytes};
}

/// The cache types that llama.cpp accepts for `--cache-type-k/v` (common/arg.cpp: kv_cache_types).
bool is_cache_type(TensorType type);

}  // namespace canirun
