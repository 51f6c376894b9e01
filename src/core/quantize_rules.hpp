#pragma once

#include <cstdint>

#include "canirun/core/file_type.hpp"
#include "canirun/core/tensor_type.hpp"

/// \file
/// The mixes of llama-quantize as a table: for a kind of tensor in a file of some type, which ggml type instead of the file's default.

namespace canirun {

/// The kinds of tensors that llama-quantize tells apart by name (llama-quant.cpp: tensor_get_category). `attn_v` also stands for the
/// fused attn_qkv and for attn_kv_b (category_is_attn_v); `attn_qkv` is only for the rules until March 2026.
enum class Category : std::uint8_t {
  token_embd,
  output,
  attn_q,
  attn_k,
  attn_v,
  attn_output,
  ffn_up,
  ffn_gate,
  ffn_down,
  other,
  attn_qkv
};

/// What a rule may ask of a tensor and its model, as bits.
using Conditions = std::uint16_t;
enum Condition : Conditions {
  k_gqa4 = 1 << 0,      ///< At least 4 query heads share a key head (in layer 0).
  k_experts4 = 1 << 1,  ///< At least 4 experts.
  k_experts8 = 1 << 2,  ///< Exactly 8 experts (Mixtral).
  k_falcon = 1 << 3,
  k_first_2 = 1 << 4,  ///< Among the first two of its category.
  k_first_4 = 1 << 5,
  k_more_bits = 1 << 6,     ///< First and last eighth of the layers, and each third between (use_more_bits).
  k_first_eighth = 1 << 7,  ///< Of the layers.
  k_first_sixteenth = 1 << 8,
  k_middle = 1 << 9,              ///< Neither the first nor the last eighth.
  k_rank_first_eighth = 1 << 10,  ///< By order of visit; differs from k_first_eighth in models with experts.
  k_imatrix = 1 << 11,
  k_odd_width = 1 << 12,      ///< Rows are not whole blocks of the file's default type.
  k_until_2024_01 = 1 << 13,  ///< QuantizeRules::until_2024_01_11.
};

/// The type that the mix of `file_type` gives to a quantisable tensor, before rows that are not whole blocks fall back to another type.
/// Not for MXFP4_MOE, which goes by shape. Source: llama-quant.cpp, llama_tensor_get_type_impl.
TensorType mixed_type(FileType file_type, Category category, Conditions conditions);

/// True for the 1- and 2-bit types below IQ3_XXS, which have rules of their own.
bool is_low_bit_iq(FileType file_type);

}  // namespace canirun
