#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "canirun/core/hardware.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/core/units.hpp"
#include "canirun/core/workload.hpp"

/// \file
/// Which part of a model runs where. Devices are the machine's GPUs in their order, then the host.

namespace canirun {

/// The backend that computes on a device: it decides alignment, padding of rows and which operations are supported.
enum class Backend { cpu, cuda, vulkan, rocm, metal };
std::optional<Backend> parse_backend(std::string_view name);
std::string_view name(Backend backend);

/// What a user states with --gpu-layers, --cpu-moe, --tensor-split; nothing stated = automatic.
struct PlacementRequest {
  std::optional<std::int32_t> n_gpu_layers;  ///< As -ngl: -1 = all; the output layer counts as one.
  std::optional<std::uint32_t> n_cpu_moe;    ///< Experts of the first N layers in RAM; UINT32_MAX = all (--cpu-moe).
  std::vector<double> tensor_split;          ///< Shares of the GPUs; empty = by free memory.
  std::optional<Backend> backend;
};

/// A placement as llama.cpp would execute it.
struct Placement {
  enum class Mode { gpu, split, cpu, none };
  Mode mode = Mode::cpu;
  std::uint32_t n_gpu_layers = 0;  ///< -ngl: up to n_layer + 1, which includes the output layer.
  std::uint32_t n_layers = 0;
  std::uint32_t n_cpu_moe = 0;
  Backend backend = Backend::cpu;  ///< Of the GPUs used; cpu when there is none.
  std::vector<std::size_t> gpus;   ///< Indices into HardwareProfile::gpus of those used, in llama.cpp's order.
  std::vector<double> split;       ///< Share of each of `gpus`, sum 1.
  bool output_layer_last = false;  ///< As older releases place layers (RuntimeRules).

  /// Index into `gpus` that holds layer `il` (il == n_layer_all is the output layer), or nothing for the host.
  /// Source: llama-model.cpp load_tensors: i_gpu_start = max(n_layer_all + 1 − n_gpu_layers, 0); before 2025-12
  /// max(n_layer_all − n_gpu_layers, 0), and the layers from min(n_gpu_layers, n_layer_all + 1) on after it stay on the host.
  std::optional<std::size_t> device_of_layer(std::uint32_t il, std::uint32_t n_layer_all) const;
  /// True when the experts of layer `il` stay in RAM.
  bool experts_on_host(std::uint32_t il) const { return il < n_cpu_moe; }
};
std::string_view name(Placement::Mode mode);

}  // namespace canirun
