#pragma once

#include <cstdint>
#include <span>

#include "canirun/core/placement.hpp"
#include "graph/graph.hpp"

/// \file
/// The parts of backend_rules.hpp that differ by backend, and the words they share.

namespace canirun {

using Tensors = std::span<const GraphTensor>;

inline const GraphTensor* source(Tensors tensors, const GraphTensor& t, std::size_t i)
{
  return t.src[i] < 0 ? nullptr : &tensors[static_cast<std::size_t>(t.src[i])];
}

inline bool is_quantized(TensorType type) { return traits(type).quantized; }
inline bool is_float(TensorType type) { return type == TensorType::f32 || type == TensorType::f16; }
inline bool contiguous_rows(const GraphTensor& t) { return t.ne[0] == 1 || t.nb[0] == traits(t.type).block_bytes; }

/// Axes above `from` and below `to` are packed; strides of the others may skip (ggml_is_contiguous_n, ggml_is_contiguous_to_n).
bool packed(const GraphTensor& t, std::size_t from, std::size_t to);

/// A matrix of this type can be multiplied.
bool supports_matrix(Backend backend, TensorType type);

constexpr std::uint64_t k_vulkan_max_range = 0xFFFF'FFFF;  // maxStorageBufferRange of discrete cards

/// ggml-cuda.cu: ggml_backend_cuda_device_supports_op.
bool cuda_supports(Tensors tensors, const GraphTensor& t);
/// Every kernel of flash attention but the one for single tokens reads K and V as f16: a copy of both follows the result
/// (fattn-common.cuh: ggml_cuda_flash_attn_ext_get_f16_extra_data).
std::uint64_t cuda_flash_size(Tensors tensors, const GraphTensor& t);
/// ggml-vulkan.cpp: ggml_backend_vk_device_supports_op, for a discrete card whose limits are those of current drivers.
bool vulkan_supports(Tensors tensors, const GraphTensor& t);

}  // namespace canirun
