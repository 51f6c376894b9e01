#include "torch.hpp"

#include <tuple>
#include <vector>

namespace canirun {

Machine torch_machine(Machine machine)
{
  const auto backend_of = [&](std::size_t i) {
    const auto& [vendor, architecture] = std::tie(machine.hardware->gpus[i].vendor, machine.hardware->gpus[i].architecture);
    // PyTorch's builds begin at compute capability 5.0, and for AMD with gfx900 and gfx1030 (pytorch: .ci/docker, PYTORCH_ROCM_ARCH).
    if (architecture == "Kepler" || architecture == "RDNA1" || architecture.starts_with("GCN4")) return Backend::cpu;
    return vendor == "NVIDIA"  ? Backend::cuda
           : vendor == "AMD"   ? Backend::rocm
           : vendor == "Apple" ? Backend::metal
                               : Backend::cpu;
  };
  std::erase_if(machine.gpus, [&](std::size_t i) { return backend_of(i) == Backend::cpu; });
  machine.backend = machine.gpus.empty() ? Backend::cpu : backend_of(machine.gpus.front());
  std::erase_if(machine.gpus, [&](std::size_t i) { return backend_of(i) != machine.backend; });
  return machine;
}

bool has_tensor_cores(const Gpu& gpu)
{
  if (gpu.vendor != "NVIDIA") return true;
  if (gpu.architecture == "Pascal" || gpu.architecture == "Maxwell") return false;
  return gpu.architecture != "Turing" ||
         (gpu.name.find("GTX 16") == std::string::npos && gpu.name.find("MX") == std::string::npos);
}

std::string_view torch_device(Backend backend)
{
  return backend == Backend::cpu ? "cpu" : backend == Backend::metal ? "mps" : "cuda";
}

}  // namespace canirun
