#pragma once

#include <cstdint>
#include <span>

#include "graph/graph.hpp"

/// \file
/// Memory that PyTorch takes for a network's intermediate results when it runs operation by operation (docs/diffusers.md).

namespace canirun {

/// A result that a caller's variable keeps until the tensors before `end` are made, whether or not it is read again.
struct Held {
  std::int32_t id = -1;
  std::size_t end = 0;
};

/// Numbers that are live at the worst moment. Every operation makes a new tensor, nothing is overwritten,
/// and a tensor is freed after the last operation that reads it, or when what holds it ends; inputs live to the end. A convolution of
/// more than one pixel has its input and its output `copies` times more: once with channels last, the layout of cuDNN's tensor core
/// kernels (docs.nvidia.com, "Convolutional Layers User's Guide", "Tensor Layouts In Memory: NCHW vs NHWC"); without such cores twice in
/// 16 bits, which are computed in F32, and not at all in F32.
std::uint64_t eager_numbers(const Graph& graph, std::span<const Held> held, std::uint64_t copies = 1);

}  // namespace canirun
