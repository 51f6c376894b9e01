#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// \file
/// What tells two devices apart, and what drivers write there when they have nothing to say.

namespace canirun {

/// "0000:01:00.0" from any spelling: 8-digit domains (NVML), capitals, no domain. Nothing for 0000:00:00.0, which no GPU has.
std::optional<std::string> canonical_pci_address(std::string_view text);
std::optional<std::string> pci_address(std::uint32_t domain, std::uint32_t bus, std::uint32_t device, std::uint32_t function);

/// 32 hex digits from any spelling ("GPU-…", "MIG-…", dashes). Nothing for zeros and for Mesa's version text.
std::optional<std::string> canonical_uuid(std::string_view text);

/// "10de:2684"; nothing when either is zero.
std::optional<std::string> pci_id(std::uint64_t vendor, std::uint64_t device);

/// Name of the maker by PCI vendor id or Khronos' vendor id; "" when unknown.
std::string_view vendor_name(std::uint32_t vendor_id);

/// Does this vendor make GPUs that compute? Others (ASPEED, QEMU, VMware) put a display adapter there and nothing else.
bool makes_gpus(std::uint32_t vendor_id);

inline constexpr std::uint32_t k_nvidia = 0x10de, k_amd = 0x1002, k_intel = 0x8086;

/// NVIDIA's architecture by CUDA compute capability, e.g. 8.9 → "Ada"; "" when unknown.
/// Source: CUDA C++ Programming Guide, "Compute Capabilities".
std::string_view nvidia_architecture(int major, int minor);
/// Chips that share memory with the CPU have compute capabilities of their own (same source): Tegra X1/X2, Xavier, Orin, Thor, GB10.
bool is_integrated_nvidia(int major, int minor);
/// AMD's architecture by KFD's gfx_target_version, e.g. 110000 → "RDNA3"; "" when unknown. Source: LLVM AMDGPUUsage, "Processors".
std::string_view amd_architecture(std::uint64_t gfx_target_version);

}  // namespace canirun
