#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "canirun/core/memory.hpp"
#include "canirun/core/model.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "cache.hpp"
#include "plan_layers.hpp"
#include "speed_law.hpp"

/// \file
/// A plan's weights summed layer by layer: what a placement needs, whichever it is. A search tries dozens of placements of one plan,
/// and each then walks over layers, not over tensors.

namespace canirun {

/// Bytes of some weights in a buffer of the GPU's backend or of the host's, each with that buffer's padding.
struct WeightBytes {
  Bytes on_gpu, on_host;
};

struct LayerWeights {
  WeightBytes dense, experts;
  Bytes kept;  ///< In RAM wherever the layer is: what the backend cannot use.
};

/// All that is loaded, for one backend. Sources: llama-model.cpp: load_tensors; llama-model-loader.cpp: create_tensor.
struct PlanWeights {
  std::vector<LayerWeights> kinds;         ///< Layers that differ.
  std::span<const std::uint32_t> kind_of;  ///< Of each of the n_layer + n_layer_nextn layers, then of the output layer.
  LayerWeights output;                     ///< What the output layer has besides.
  Bytes input;                             ///< Tables that stay in RAM.
  WeightBytes every_layer;                 ///< Rope factors: once on each device that has …
  std::vector<bool> has_factors;           ///< … one of these layers; empty where there are none.
  LayerWeights tied;                       ///< The output layer's copy of a tied embedding.
  bool any_kept = false;
};
/// `layers` must outlive it.
PlanWeights plan_weights(const ModelSpec& model, const TensorPlan& plan, const PlanLayers& layers, Backend backend);

/// What one generated token reads of some weights, and what of them is resident.
struct WeightWork {
  std::array<double, k_quant_families> bytes{};    ///< By family.
  std::array<double, k_quant_families> weights{};  ///< The same as numbers of weights.
  void add(const PlannedTensor& tensor);
};

struct LayerWork {
  WeightWork dense, experts;            ///< Every expert; a token uses a share of them.
  WeightWork kept_dense, kept_experts;  ///< In RAM wherever the layer is: what the backend cannot use.
  bool any_kept = false;
};

struct PlanWork {
  std::vector<LayerWork> kinds;  ///< Layers that differ.
  /// Kind of each layer, then of the output layer (with a tied embedding; of other input tables a token reads one row).
  std::vector<std::uint32_t> kind_of;
  std::vector<LayerFacts> facts;        ///< Of each layer.
  std::optional<TensorType> kept_type;  ///< One that the backend cannot multiply …
  bool kept_large = false;              ///< … or a tensor is larger than it can use: such weights stay in RAM.
  bool any_kept() const { return kept_type || kept_large; }
};
PlanWork plan_work(const TensorPlan& plan, const PlanLayers& layers, Backend backend);

/// The work of one token on each of placement.gpus, then on the host. `depth`: tokens in the cache.
std::vector<TokenWork> token_work(const ModelSpec& model, const PlanWork& plan, const CacheLayers& caches,
                                  const Workload& workload, const Placement& placement, std::uint32_t depth);

/// estimate_speed once the plan's work is known.
SpeedEstimate estimate_speed(const ModelSpec& model, const PlanWork& plan, const CacheLayers& caches, const Workload& workload,
                             const Placement& placement, const HardwareProfile& hardware);

}  // namespace canirun
