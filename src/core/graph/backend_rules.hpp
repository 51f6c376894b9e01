#pragma once

#include <cstdint>
#include <span>

#include "canirun/core/placement.hpp"
#include "graph/graph.hpp"

/// \file
/// What ggml's backends decide about a tensor: can they run the operation, how many bytes do they reserve for the result, when do
/// they take over an operation whose weights are in RAM. Sources: ggml-cuda.cu, fattn.cu, ggml-vulkan.cpp, ggml-cpu.cpp of llama.cpp
/// v0.5.0.

namespace canirun {

/// Alignment of a tensor in a buffer of the backend, and of the host memory that it pins for transfers.
std::uint64_t buffer_alignment(Backend backend);
std::uint64_t host_alignment(Backend backend);

/// Largest piece in which compute buffers are allocated; Vulkan splits them in blocks.
std::uint64_t max_chunk_size(Backend backend);

/// Largest tensor that an operation of the backend can read or write.
std::uint64_t max_tensor_size(Backend backend);

/// Bytes that a quantised tensor with rows of `ne0` weights gets beyond its own (CUDA reads whole blocks of 512 weights).
std::uint64_t row_tail(Backend backend, TensorType type, std::uint64_t ne0);

/// Bytes reserved for `t` in a buffer of the backend (get_alloc_size): CUDA adds row tails and flash attention's f16 scratch.
std::uint64_t alloc_size(Backend backend, std::span<const GraphTensor> tensors, const GraphTensor& t);

/// True when the backend runs the operation (supports_op), where its sources are left aside.
bool supports(Backend backend, std::span<const GraphTensor> tensors, const GraphTensor& t);

/// True when a GPU takes an operation over although its weights are in RAM (offload_op): from 32 rows on.
bool takes_over(std::span<const GraphTensor> tensors, const GraphTensor& t);

/// True when the backend can use a weight of this type and size, so that it may live there (weight_buft_supported).
bool supports_weight(Backend backend, TensorType type, std::uint64_t bytes);

}  // namespace canirun
