#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "canirun/core/tensor_type.hpp"

/// \file
/// File types (`llama_ftype`): the *mix* of tensor types that llama-quantize writes, such as Q4_K_M.

namespace canirun {

/// The values are those of `enum llama_ftype`, stored in GGUF files as `general.file_type` (include/llama.h).
enum class FileType : std::uint32_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q8_0 = 7,
  Q5_0 = 8,
  Q5_1 = 9,
  Q2_K = 10,
  Q3_K_S = 11,
  Q3_K_M = 12,
  Q3_K_L = 13,
  Q4_K_S = 14,
  Q4_K_M = 15,
  Q5_K_S = 16,
  Q5_K_M = 17,
  Q6_K = 18,
  IQ2_XXS = 19,
  IQ2_XS = 20,
  Q2_K_S = 21,
  IQ3_XS = 22,
  IQ3_XXS = 23,
  IQ1_S = 24,
  IQ4_NL = 25,
  IQ3_S = 26,
  IQ3_M = 27,
  IQ2_S = 28,
  IQ2_M = 29,
  IQ4_XS = 30,
  IQ1_M = 31,
  BF16 = 32,
  TQ1_0 = 36,
  TQ2_0 = 37,
  MXFP4_MOE = 38,
  NVFP4 = 39,
  Q1_0 = 40,
  Q2_0 = 41,
};

/// "Q4_K_M"; the names are llama-quantize's.
std::string_view name(FileType type);

/// By llama-quantize's name in any case; "MXFP4" is MXFP4_MOE, "Q3_K" is Q3_K_M and so on as llama-quantize has it.
std::optional<FileType> parse_file_type(std::string_view name);

/// All file types, in the order of their nominal bits per weight.
std::span<const FileType> all_file_types();

/// The types of a default listing, fewest bits first: Q2_K … Q8_0, BF16, F16 (interfaces.md "--quant").
std::span<const FileType> default_file_types();

/// The tensor type that most matrices of the file have (llama_ftype_get_default_type).
TensorType default_tensor_type(FileType type);

}  // namespace canirun
