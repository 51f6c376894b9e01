#include <algorithm>
#include <cctype>

#include "speed_law.hpp"

/// \file
/// What a device does in a second, from the figures of its profile.

namespace canirun {

namespace {

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// 1 for M1, 4 for M4 Pro; 0 when the name has no generation.
int apple_generation(std::string_view name)
{
  for (std::size_t i = 0; i + 1 < name.size(); ++i) {
    const bool starts = i == 0 || std::isalnum(static_cast<unsigned char>(name[i - 1])) == 0;
    if (starts && (name[i] == 'M' || name[i] == 'm') && std::isdigit(static_cast<unsigned char>(name[i + 1]))) {
      return name[i + 1] - '0';
    }
  }
  return 0;
}

/// Two dies in one package: each reads its own half at full rate only.
bool is_apple_ultra(const Gpu& gpu) { return contains(gpu.name, "Ultra") || contains(gpu.name, "ultra"); }

BandwidthClass bandwidth_class(const Gpu& gpu)
{
  if (gpu.vendor == "NVIDIA") return gpu.unified_memory ? BandwidthClass::nvidia_unified : BandwidthClass::nvidia;
  if (gpu.vendor == "AMD" && gpu.unified_memory) return BandwidthClass::amd_unified;
  if (gpu.vendor == "AMD") return gpu.architecture == "RDNA4" ? BandwidthClass::amd_rdna4 : BandwidthClass::amd;
  if (gpu.vendor == "Apple") return is_apple_ultra(gpu) ? BandwidthClass::apple_ultra : BandwidthClass::apple;
  if (gpu.vendor == "Intel") return BandwidthClass::intel;
  return BandwidthClass::other;
}

UnpackClass unpack_class(const Gpu& gpu)
{
  const std::string_view a = gpu.architecture;
  if (gpu.vendor == "NVIDIA") {
    if (a == "Pascal" || a == "Maxwell" || a == "Kepler") return UnpackClass::pascal;
    if (a == "Turing" || a == "Volta") return UnpackClass::turing;
    if (a == "Ada" || a == "Hopper") return UnpackClass::ada;
    if (a.starts_with("Blackwell")) return UnpackClass::blackwell;
    return UnpackClass::ampere;
  }
  if (gpu.vendor == "AMD") return UnpackClass::amd;
  if (gpu.vendor == "Apple") {
    const auto generation = apple_generation(gpu.name);
    return generation == 1 || generation == 2 ? UnpackClass::apple_early : UnpackClass::apple;
  }
  return gpu.vendor == "Intel" ? UnpackClass::intel : UnpackClass::other;
}

LaunchClass launch_class(Backend backend)
{
  switch (backend) {
    case Backend::cuda: return LaunchClass::cuda;
    case Backend::rocm: return LaunchClass::rocm;
    case Backend::metal: return LaunchClass::metal;
    default: return LaunchClass::vulkan;
  }
}

double value_of(const OptionalFigure& figure, double unit) { return figure ? figure->value * unit : 0; }

// Single-precision operations for each byte of bandwidth, where a card's rate is not known: the median of data/gpus.json.
constexpr double k_typical_flops_per_byte = 40;

// What cores read together when nobody measured it. One core alone: 11 GB/s (2-core Sapphire Rapids VM, STREAM-like read). Two
// channels of DDR5, which come with AVX-512 or AVX-VNNI: 57–65 (Ryzen 7840HS, i9-13900K, through llama-bench); of DDR4: about 34
// (Ryzen 5800H 25–40); boards with plain NEON: 4–15 (Raspberry Pi, Snapdragon 888). Servers add about 3 GB/s a core until their
// channels are full (AmpereOne, 192 cores: 164–223).
constexpr double k_core_bandwidth = 11e9, k_ddr5_bandwidth = 58e9, k_ddr4_bandwidth = 34e9, k_board_bandwidth = 15e9;
constexpr double k_server_core_bandwidth = 3e9, k_server_bandwidth = 220e9;
// The CPU cores of a unified part reach about half of what its GPU does (Ryzen AI Max+ 395: 97 of 256 GB/s through K-quants).
constexpr double k_cpu_share_of_unified = 0.5;

bool has_isa(const HardwareProfile& hardware, std::string_view name)
{
  return std::ranges::any_of(hardware.cpu.isa, [&](const std::string& s) { return std::string_view(s).starts_with(name); });
}

double platform_bandwidth(const HardwareProfile& hardware)
{
  const auto has = [&](std::string_view name) { return has_isa(hardware, name); };
  if (has("avx512") || has("amx") || has("avx_vnni") || has("avxvnni") || has("sve") || has("i8mm")) return k_ddr5_bandwidth;
  const bool board = has("neon") || has("asimd") || hardware.host.arch == "riscv64";
  return board ? k_board_bandwidth : k_ddr4_bandwidth;
}

double assumed_bandwidth(const HardwareProfile& hardware, double cores)
{
  auto platform = std::max(platform_bandwidth(hardware), std::min(k_server_core_bandwidth * cores, k_server_bandwidth));
  for (const auto& gpu : hardware.gpus) {
    if (gpu.unified_memory && gpu.bandwidth) platform = k_cpu_share_of_unified * gpu.bandwidth->value;
  }
  return std::min(k_core_bandwidth * cores, platform);
}

/// Throughput of quantised dot products against AVX2 = 1. Widths: AVX-512 halves the instructions but not the loads; NEON with
/// dot product is half as wide; without any of them ggml falls back to scalar code.
double isa_speedup(const HardwareProfile& hardware)
{
  const auto has = [&](std::string_view name) { return has_isa(hardware, name); };
  if (has("avx512") || has("amx")) return 1.3;
  if (has("avx2")) return 1.0;
  if (has("avx")) return 0.5;
  if (has("i8mm") || has("sve") || has("asimddp") || has("dotprod")) return 0.7;
  if (has("neon") || has("asimd")) return 0.25;
  if (has("sse")) return 0.25;
  if (!hardware.cpu.isa.empty()) return 0.05;
  return hardware.host.arch == "riscv64" ? 0.05 : 1.0;
}

}  // namespace

std::optional<GpuRates> gpu_rates(const Gpu& gpu, Backend backend)
{
  if (!gpu.bandwidth || gpu.bandwidth->value <= 0) return std::nullopt;
  GpuRates rates;
  rates.bandwidth_class = bandwidth_class(gpu);
  rates.unpack_class = unpack_class(gpu);
  rates.launch_class = launch_class(backend);
  rates.bandwidth = gpu.bandwidth->value;
  rates.fp32 = value_of(gpu.fp32_tflops, 1e12);
  rates.matrix = std::max(value_of(gpu.fp16_tflops, 1e12), rates.fp32);
  if (rates.fp32 <= 0) rates.fp32 = k_typical_flops_per_byte * rates.bandwidth;
  return rates;
}

CpuRates cpu_rates(const HardwareProfile& hardware)
{
  const auto& cpu = hardware.cpu;
  auto cores = cpu.physical_cores.value_or(cpu.logical_cores.value_or(cpu.usable_cores.value_or(1)));
  if (cpu.usable_cores) cores = std::min(cores, *cpu.usable_cores);
  CpuRates rates;
  rates.cores = std::max(1u, cores);
  rates.speedup = isa_speedup(hardware);
  rates.assumed = !hardware.memory.bandwidth || hardware.memory.bandwidth->value <= 0 ||
                  hardware.memory.bandwidth->confidence == FigureConfidence::assumed;
  rates.bandwidth = hardware.memory.bandwidth && hardware.memory.bandwidth->value > 0 ? hardware.memory.bandwidth->value
                                                                                      : assumed_bandwidth(hardware, rates.cores);
  return rates;
}

}  // namespace canirun
