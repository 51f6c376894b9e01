#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "canirun/core/evaluate.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "checkpoint_plan.hpp"
#include "machine.hpp"

/// \file
/// Hugging Face transformers with accelerate (docs/transformers.md): a checkpoint whose layers device_map="auto" divides over GPUs and
/// RAM, a cache in the model's type that grows with the text, a prompt in one piece.

namespace canirun {

/// What one module keeps on the device that accelerate gives it to. accelerate never splits a layer.
struct ModuleBytes {
  double weights = 0;
  double cache = 0;  ///< Of all tokens of all sequences, with recurrent states.
};

/// A model at one type, module by module: embeddings, each layer, final norm and output matrix.
struct TransformersModel {
  std::vector<ModuleBytes> modules;
  double largest_matrix = 0;  ///< Bytes in 16 bits of the largest one that is quantised.
  double activations = 0;     ///< At the worst moment of a prompt of all tokens, or of a token that is appended to the caches.
  double total_weights() const;
};
/// Its weights alone; `layers` are the plan's checkpoint_layers.
TransformersModel transformers_weights(const ModelSpec& model, const TensorPlan& plan, const PlanLayers& layers,
                                       CheckpointType type);
/// The same with caches and activations of `n_seq` texts of `n_tokens`.
TransformersModel with_text(TransformersModel weights, const ModelSpec& model, CheckpointType type, std::uint32_t n_tokens,
                            std::uint32_t n_seq);

/// Where modules go: of each GPU how many, in order; the rest in RAM.
struct DeviceMap {
  std::vector<std::size_t> n_modules;
  std::size_t n_on_cpu = 0;
};
/// accelerate's "auto" with `room` bytes on each GPU: GPUs get equal parts, each as many whole modules as fit, the last one what is
/// left, and RAM the rest (accelerate/utils/modeling.py: get_balanced_memory, infer_auto_device_map).
DeviceMap device_map(const TransformersModel& model, const std::vector<double>& room);

/// Why transformers does not run this model, or these settings, anywhere; nothing if it does.
std::optional<std::string> transformers_refuses(const ModelSpec& model, const ModelFacts& facts, const Question& question);

/// The rows of `evaluate` for Runtime::transformers.
void evaluate_transformers(ModelReport& report, const ModelSpec& model, const ModelFacts& facts, CheckpointPlan& plan,
                           const HardwareProfile& hardware, const Question& question);

}  // namespace canirun
