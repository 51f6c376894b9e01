#pragma once

#include <span>
#include <string_view>

#include "canirun/core/model.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/core/workload.hpp"
#include "graph/graph.hpp"

/// \file
/// Architectures: one small file a family, one function an architecture. The function runs the forward pass symbolically; the same
/// run declares the weights (→ TensorPlan) and records the operations (→ Graph).

namespace canirun {

/// Operations of hyper-connections that are one node each: llama.cpp spells one out once it is not on its layer's device.
struct FusedOps {
  bool hc_pre = true, hc_comb = true, hc_post = true;
};

/// What decides the graph besides the model.
struct GraphRequest {
  RunShape shape;
  bool flash_attn = true;
  bool v_transposed = false;  ///< stores_v_transposed(): decided before flash attention "auto" is.
  TensorType type_k = TensorType::f16;
  TensorType type_v = TensorType::f16;
  bool offload_kqv = true;
  bool swa_full = false;
  bool embeddings = false;
  FusedOps fused = {};
  /// The layers to build, in order; empty = all. Leaving out repetitions keeps what the graph needs (graph/repeats.hpp).
  std::span<const std::uint32_t> layers = {};
};

/// The graph of one micro-batch over the full cache, as llama.cpp reserves it (llama_context::sched_reserve).
/// Precondition: has_graph(model), and plan.slots is not empty (a file may lack a tensor).
Graph build_graph(const ModelSpec& model, const TensorPlan& plan, const GraphRequest& request);
/// The same into `graph`, whose memory is used again.
void build_graph(const ModelSpec& model, const TensorPlan& plan, const GraphRequest& request, Graph& graph);

/// False for a file of an architecture that has no function here: its tensor table is all that is known.
bool is_known_architecture(const ModelSpec& model);

/// True when the architecture has a graph here; some have weights and caches only.
bool has_graph(const ModelSpec& model);

}  // namespace canirun
