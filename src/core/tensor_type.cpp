#include "canirun/core/tensor_type.hpp"

#include <algorithm>
#include <array>

namespace canirun {

namespace {

struct Row {
  TensorType type;
  TensorTypeTraits traits;
};

// Block formats: ggml/src/ggml-common.h (struct block_*), ggml.c (type_traits), llama.cpp v0.5.0.
constexpr auto k_types = std::to_array<Row>({
    {TensorType::f32, {"f32", 1, 4, false}},
    {TensorType::f16, {"f16", 1, 2, false}},
    {TensorType::q4_0, {"q4_0", 32, 18, true}},
    {TensorType::q4_1, {"q4_1", 32, 20, true}},
    {TensorType::q5_0, {"q5_0", 32, 22, true}},
    {TensorType::q5_1, {"q5_1", 32, 24, true}},
    {TensorType::q8_0, {"q8_0", 32, 34, true}},
    {TensorType::q8_1, {"q8_1", 32, 36, true}},
    {TensorType::q2_K, {"q2_K", 256, 84, true}},
    {TensorType::q3_K, {"q3_K", 256, 110, true}},
    {TensorType::q4_K, {"q4_K", 256, 144, true}},
    {TensorType::q5_K, {"q5_K", 256, 176, true}},
    {TensorType::q6_K, {"q6_K", 256, 210, true}},
    {TensorType::q8_K, {"q8_K", 256, 292, true}},
    {TensorType::iq2_xxs, {"iq2_xxs", 256, 66, true}},
    {TensorType::iq2_xs, {"iq2_xs", 256, 74, true}},
    {TensorType::iq3_xxs, {"iq3_xxs", 256, 98, true}},
    {TensorType::iq1_s, {"iq1_s", 256, 50, true}},
    {TensorType::iq4_nl, {"iq4_nl", 32, 18, true}},
    {TensorType::iq3_s, {"iq3_s", 256, 110, true}},
    {TensorType::iq2_s, {"iq2_s", 256, 82, true}},
    {TensorType::iq4_xs, {"iq4_xs", 256, 136, true}},
    {TensorType::i8, {"i8", 1, 1, false}},
    {TensorType::i16, {"i16", 1, 2, false}},
    {TensorType::i32, {"i32", 1, 4, false}},
    {TensorType::i64, {"i64", 1, 8, false}},
    {TensorType::f64, {"f64", 1, 8, false}},
    {TensorType::iq1_m, {"iq1_m", 256, 56, true}},
    {TensorType::bf16, {"bf16", 1, 2, false}},
    {TensorType::tq1_0, {"tq1_0", 256, 54, true}},
    {TensorType::tq2_0, {"tq2_0", 256, 66, true}},
    {TensorType::mxfp4, {"mxfp4", 32, 17, true}},
    {TensorType::nvfp4, {"nvfp4", 64, 36, true}},
    {TensorType::q1_0, {"q1_0", 128, 18, true}},
    {TensorType::q2_0, {"q2_0", 64, 18, true}},
});

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

constexpr std::array<TensorTypeTraits, 64> tensor_type_traits = [] {
  std::array<TensorTypeTraits, 64> by_number{};
  for (const auto& row : k_types) by_number[static_cast<std::size_t>(row.type)] = row.traits;
  return by_number;
}();

std::optional<TensorType> known_tensor_type(std::uint32_t ggml_type)
{
  if (ggml_type >= tensor_type_traits.size() || tensor_type_traits[ggml_type].name.empty()) return std::nullopt;
  return static_cast<TensorType>(ggml_type);
}

std::optional<TensorType> parse_tensor_type(std::string_view text)
{
  const auto row =
      std::ranges::find_if(k_types, [&](const Row& r) { return std::ranges::equal(r.traits.name, text, {}, lower, lower); });
  if (row == k_types.end()) return std::nullopt;
  return row->type;
}

bool is_cache_type(TensorType type)
{
  switch (type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16:
    case TensorType::q8_0:
    case TensorType::q4_0:
    case TensorType::q4_1:
    case TensorType::iq4_nl:
    case TensorType::q5_0:
    case TensorType::q5_1: return true;
    default: return false;
  }
}

}  // namespace canirun
