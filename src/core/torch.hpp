#pragma once

#include <string_view>

#include "machine.hpp"

/// \file
/// What diffusers and transformers have in common: PyTorch, its process, its devices.

namespace canirun {

// Python, PyTorch and its CUDA libraries with a small pipeline on the GPU: 3.0 to 3.2 GB of RAM
// (github.com/gperdrizet/unit-6-assignments, docs/data: Stable Diffusion 1.4 on a GTX 1070 and a P100).
inline constexpr Bytes k_torch_process{3ULL << 30};
// Bytes a second from pageable memory to the GPU: the same runs move 2.2e9 to 3.1e9 in sequential_offload.
inline constexpr double k_torch_upload = 2.5e9;

/// The same machine with the GPUs that PyTorch computes on, of the first one's vendor, under the backend it would use.
Machine torch_machine(Machine machine);
/// False for NVIDIA's GPUs before Volta and for the GeForce GTX 16 and MX series of Turing.
bool has_tensor_cores(const Gpu& gpu);
/// "cuda" (of AMD's GPUs as well), "mps", "cpu".
std::string_view torch_device(Backend backend);

}  // namespace canirun
