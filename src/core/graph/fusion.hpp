#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "canirun/core/placement.hpp"
#include "graph/graph.hpp"

/// \file
/// What Vulkan does to the part of a graph that it runs (graph_optimize): it keeps the inputs of operations that it fuses alive until
/// the fused kernel is done, and reorders operations. Both change how large the compute buffer is. CUDA's fused kernels for experts
/// (GGML_CUDA_DISABLE_FUSION unset) are left out, as llama.cpp's own measurement leaves them out (docs/memory-model.md).

namespace canirun {

/// Tensors that must not be freed before another one is computed.
class KeptTensors {
 public:
  void reset(std::size_t n_tensors);
  void keep(std::int32_t tensor, std::int32_t until);
  std::span<const std::int32_t> until(std::int32_t tensor) const;

 private:
  std::vector<std::int32_t> group_of_;  ///< By tensor: its group, or −1.
  std::vector<std::vector<std::int32_t>> groups_;
  std::size_t n_groups_ = 0;
};

/// One device's split of a graph, as its backend sees it.
struct SplitView {
  std::span<const GraphTensor> tensors;
  std::span<const std::int32_t> use_count;  ///< How often each tensor is a source in the whole graph.
  std::span<std::int32_t> order;            ///< Nodes of the whole graph; those of the split may change places.
  std::size_t begin = 0, end = 0;           ///< The split, as indices into `order`.

  const GraphTensor& node(std::size_t i) const { return tensors[static_cast<std::size_t>(order[begin + i])]; }
  std::int32_t id(std::size_t i) const { return order[begin + i]; }
  std::size_t size() const { return end - begin; }
};

/// ggml_can_fuse_subgraph: nodes [first, first + count) where only those in `outputs` (offsets) are read outside.
bool is_closed(const SplitView& split, std::size_t first, std::size_t count, std::span<const std::size_t> outputs);

void optimize_for_vulkan(const SplitView& split, KeptTensors& kept);

}  // namespace canirun
