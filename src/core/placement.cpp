#include "canirun/core/placement.hpp"

#include <algorithm>

namespace canirun {

std::optional<std::size_t> Placement::device_of_layer(std::uint32_t il, std::uint32_t n_layer_all) const
{
  const auto on_gpu = std::min(n_gpu_layers, n_layer_all + 1);
  const auto first = output_layer_last ? n_layer_all - std::min(on_gpu, n_layer_all) : n_layer_all + 1 - on_gpu;
  if (gpus.empty() || on_gpu == 0 || il < first || il - first >= on_gpu) return std::nullopt;
  // In single precision, as llama.cpp compares them: shares given as numbers of layers meet their bounds exactly.
  const auto position = static_cast<float>(il - first) / static_cast<float>(on_gpu);
  double cumulative = 0;
  for (std::size_t i = 0; i + 1 < gpus.size(); ++i) {
    cumulative += i < split.size() ? split[i] : 0;
    if (static_cast<float>(cumulative) > position) return i;
  }
  return gpus.size() - 1;
}

}  // namespace canirun
