#include "canirun/core/file_type.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace canirun {

namespace {

struct Row {
  FileType type;
  std::string_view name;
  TensorType base;
};

// llama-quant.cpp: llama_ftype_get_default_type; tools/quantize/quantize.cpp: QUANT_OPTIONS. Ordered by nominal bits per weight.
constexpr auto k_rows = std::to_array<Row>({
    {FileType::Q1_0, "Q1_0", TensorType::q1_0},
    {FileType::IQ1_S, "IQ1_S", TensorType::iq1_s},
    {FileType::TQ1_0, "TQ1_0", TensorType::tq1_0},
    {FileType::IQ1_M, "IQ1_M", TensorType::iq1_m},
    {FileType::IQ2_XXS, "IQ2_XXS", TensorType::iq2_xxs},
    {FileType::TQ2_0, "TQ2_0", TensorType::tq2_0},
    {FileType::Q2_0, "Q2_0", TensorType::q2_0},
    {FileType::IQ2_XS, "IQ2_XS", TensorType::iq2_xs},
    {FileType::IQ2_S, "IQ2_S", TensorType::iq2_xs},
    {FileType::IQ2_M, "IQ2_M", TensorType::iq2_s},
    {FileType::Q2_K_S, "Q2_K_S", TensorType::q2_K},
    {FileType::Q2_K, "Q2_K", TensorType::q2_K},
    {FileType::IQ3_XXS, "IQ3_XXS", TensorType::iq3_xxs},
    {FileType::IQ3_XS, "IQ3_XS", TensorType::iq3_s},
    {FileType::Q3_K_S, "Q3_K_S", TensorType::q3_K},
    {FileType::IQ3_S, "IQ3_S", TensorType::iq3_s},
    {FileType::IQ3_M, "IQ3_M", TensorType::iq3_s},
    {FileType::Q3_K_M, "Q3_K_M", TensorType::q3_K},
    {FileType::Q3_K_L, "Q3_K_L", TensorType::q3_K},
    {FileType::MXFP4_MOE, "MXFP4_MOE", TensorType::mxfp4},
    {FileType::IQ4_XS, "IQ4_XS", TensorType::iq4_xs},
    {FileType::NVFP4, "NVFP4", TensorType::nvfp4},
    {FileType::IQ4_NL, "IQ4_NL", TensorType::iq4_nl},
    {FileType::Q4_0, "Q4_0", TensorType::q4_0},
    {FileType::Q4_K_S, "Q4_K_S", TensorType::q4_K},
    {FileType::Q4_K_M, "Q4_K_M", TensorType::q4_K},
    {FileType::Q4_1, "Q4_1", TensorType::q4_1},
    {FileType::Q5_0, "Q5_0", TensorType::q5_0},
    {FileType::Q5_K_S, "Q5_K_S", TensorType::q5_K},
    {FileType::Q5_K_M, "Q5_K_M", TensorType::q5_K},
    {FileType::Q5_1, "Q5_1", TensorType::q5_1},
    {FileType::Q6_K, "Q6_K", TensorType::q6_K},
    {FileType::Q8_0, "Q8_0", TensorType::q8_0},
    {FileType::BF16, "BF16", TensorType::bf16},
    {FileType::F16, "F16", TensorType::f16},
    {FileType::F32, "F32", TensorType::f32},
});

// llama-quantize's own short names, and the plain name of the native type of gpt-oss.
struct Alias {
  std::string_view name;
  FileType type;
};
constexpr auto k_aliases = std::to_array<Alias>({
    {"Q3_K", FileType::Q3_K_M},
    {"Q4_K", FileType::Q4_K_M},
    {"Q5_K", FileType::Q5_K_M},
    {"MXFP4", FileType::MXFP4_MOE},
});

constexpr std::array<FileType, k_rows.size()> k_all = [] {
  std::array<FileType, k_rows.size()> all{};
  for (std::size_t i = 0; i < k_rows.size(); ++i) all[i] = k_rows[i].type;
  return all;
}();

constexpr auto k_default = std::to_array<FileType>({
    FileType::Q2_K,
    FileType::Q3_K_S,
    FileType::Q3_K_M,
    FileType::Q3_K_L,
    FileType::Q4_0,
    FileType::Q4_K_S,
    FileType::Q4_K_M,
    FileType::Q5_0,
    FileType::Q5_K_S,
    FileType::Q5_K_M,
    FileType::Q6_K,
    FileType::Q8_0,
    FileType::BF16,
    FileType::F16,
});

/// Index into k_rows by file type.
constexpr std::array<std::uint8_t, 64> k_index = [] {
  std::array<std::uint8_t, 64> index{};
  for (std::size_t i = 0; i < k_rows.size(); ++i) index[static_cast<std::size_t>(k_rows[i].type)] = static_cast<std::uint8_t>(i);
  return index;
}();

const Row& row(FileType type)
{
  const auto& found = k_rows[k_index[static_cast<std::size_t>(type)]];
  assert(found.type == type);
  return found;
}

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same_name(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, upper, upper); }

}  // namespace

std::string_view name(FileType type) { return row(type).name; }

TensorType default_tensor_type(FileType type) { return row(type).base; }

std::optional<FileType> parse_file_type(std::string_view text)
{
  for (const auto& r : k_rows) {
    if (same_name(r.name, text)) return r.type;
  }
  for (const auto& a : k_aliases) {
    if (same_name(a.name, text)) return a.type;
  }
  return std::nullopt;
}

std::span<const FileType> all_file_types() { return k_all; }

std::span<const FileType> default_file_types() { return k_default; }

}  // namespace canirun
