#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "canirun/core/model.hpp"
#include "canirun/core/tensor_plan.hpp"

/// \file
/// The layers of a plan by kind. Layers repeat: those of one kind hold tensors of the same shapes and, in every file type, of the same
/// types, so that a sum over a plan is a sum over one layer of each kind.

namespace canirun {

/// What a layer does for a token besides reading its weights.
struct LayerFacts {
  float blocks = 0;  ///< A mixer and a feed-forward network are a layer, each of them half of one.
  bool recurrent = false;
  bool moe = false;  ///< Its feed-forward network is a mixture.
};

class PlanLayers {
 public:
  struct Kind {
    std::vector<std::uint32_t> tensors;  ///< Of one layer, as indices into the plan.
    std::uint32_t n_layers = 0;
  };

  /// `sites`: one number a tensor, equal ones for tensors that have equal types whatever the file type.
  PlanLayers(const ModelSpec& model, const TensorPlan& plan, std::span<const std::uint32_t> sites);

  /// n_layer + n_layer_nextn, then one more for tensors that claim a layer beyond them.
  std::size_t size() const { return kind_of_.size(); }
  const std::vector<Kind>& kinds() const { return kinds_; }
  std::span<const std::uint32_t> kind_of() const { return kind_of_; }
  /// Tensors that are in no layer: tables, output, rope factors.
  std::span<const std::uint32_t> outside() const { return outside_; }
  /// Of layers 0 … n_layer − 1.
  std::span<const LayerFacts> facts() const { return facts_; }

  Bytes loaded_bytes(const TensorPlan& plan) const;  ///< Of the tensors that a run loads.

 private:
  std::vector<Kind> kinds_;
  std::vector<std::uint32_t> kind_of_, outside_;
  std::vector<LayerFacts> facts_;
};

/// The sites of a plan whose types stand.
std::vector<std::uint32_t> sites_by_type(const TensorPlan& plan);

}  // namespace canirun
