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

/// Turing cards without tensor cores: GTX 16, T-series and MX; their 16-bit rate is twice the 32-bit one instead of eight times.
bool is_plain_turing(const Gpu& gpu)
{
  if (gpu.architecture != "Turing") return false;
  if (gpu.fp16_tflops && gpu.fp32_tflops) return gpu.fp16_tflops->value < 3 * gpu.fp32_tflops->value;
  return contains(gpu.name, "GTX");
}

MatrixClass matrix_class(const Gpu& gpu)
{
  const std::string_view a = gpu.architecture;
  if (gpu.vendor == "NVIDIA") {
    const bool plain = a == "Pascal" || a == "Maxwell" || a == "Kepler" || is_plain_turing(gpu);
    return plain ? MatrixClass::nvidia_plain : MatrixClass::tensor_core;
  }
  if (gpu.vendor == "AMD" && gpu.unified_memory) return MatrixClass::amd_unified;
  if (gpu.vendor == "AMD") {
    const bool units = a == "RDNA3" || a == "RDNA4" || a.starts_with("CDNA");
    return units ? MatrixClass::amd_matrix : MatrixClass::amd_plain;
  }
  if (gpu.vendor == "Apple") return MatrixClass::apple;
  return gpu.vendor == "Intel" ? MatrixClass::intel : MatrixClass::other;
}

// Where the 16-bit rate is not known: tensor cores of GeForce and Jetson parts do four times the 32-bit rate (NVIDIA's Ampere GA102
// whitepaper, table 2, and later ones), AMD's matrix units twice (RDNA3 ISA guide).
constexpr double k_tensor_of_fp32 = 4, k_wmma_of_fp32 = 2;
// M5 and later: matrix units in the GPU cores, not in its published rate. llama.cpp prompts gain a factor of 2 to 3 from them
// (lmstudio-bug-tracker issue 2040; M5, Llama 2 7B Q4_0: 628 t/s, 1.7 times its 32-bit rate where an M4 reaches 0.65).
constexpr double k_apple_matrix_units = 2.5;

double matrix_rate(const Gpu& gpu, MatrixClass matrix, double fp32, double fp16)
{
  switch (matrix) {
    case MatrixClass::tensor_core: return fp16 > 0 ? fp16 : k_tensor_of_fp32 * fp32;
    case MatrixClass::amd_matrix:
    case MatrixClass::amd_unified: return fp16 > 0 ? fp16 : k_wmma_of_fp32 * fp32;
    case MatrixClass::amd_plain: return fp16 > 0 ? fp16 : fp32;
    case MatrixClass::apple: return fp32 * (apple_generation(gpu.name) >= 5 ? k_apple_matrix_units : 1);
    default: return fp32;
  }
}

double value_of(const OptionalFigure& figure, double unit) { return figure ? figure->value * unit : 0; }

// Single-precision operations for each byte of bandwidth, where a card's rate is not known: the median of data/gpus.json.
constexpr double k_typical_flops_per_byte = 40;

// What cores read together when nobody measured it. One core alone: 11 GB/s (2-core Sapphire Rapids VM, STREAM-like read). Two
// channels of DDR5, which come with AVX-512 or AVX-VNNI: 57–65 (Ryzen 7840HS, i9-13900K, through llama-bench); of DDR4: about 34
// (Ryzen 5800H 25–40); Arm boards with int8 matrix products: 28–36 (Cix CP8180, Dragon Q8B), with dot products: 11–17 (Raspberry Pi 5),
// with plain NEON: 3–5 (Raspberry Pi 400). Servers add about 3 GB/s a core until their channels are full (AmpereOne, 192 cores:
// 164–223).
constexpr double k_core_bandwidth = 11e9, k_ddr5_bandwidth = 58e9, k_ddr4_bandwidth = 34e9, k_arm_bandwidth = 34e9,
                 k_board_bandwidth = 15e9, k_small_board_bandwidth = 4.5e9;
constexpr double k_server_cores = 16, k_server_core_bandwidth = 3e9, k_server_bandwidth = 220e9;
// The CPU cores of a unified part reach about half of what its GPU does (Ryzen AI Max+ 395: 97 of 256 GB/s through K-quants).
constexpr double k_cpu_share_of_unified = 0.5;

bool has_isa(const HardwareProfile& hardware, std::string_view name)
{
  return std::ranges::any_of(hardware.cpu.isa, [&](const std::string& s) { return std::string_view(s).starts_with(name); });
}

double platform_bandwidth(const HardwareProfile& hardware)
{
  const auto has = [&](std::string_view name) { return has_isa(hardware, name); };
  if (has("avx512") || has("amx") || has("avx_vnni") || has("avxvnni")) return k_ddr5_bandwidth;
  if (has("sve") || has("i8mm")) return k_arm_bandwidth;
  if (has("asimddp") || has("dotprod")) return k_board_bandwidth;
  const bool board = has("neon") || has("asimd") || hardware.host.arch == "riscv64";
  return board ? k_small_board_bandwidth : k_ddr4_bandwidth;
}

double assumed_bandwidth(const HardwareProfile& hardware, double cores)
{
  auto platform = platform_bandwidth(hardware);
  if (cores >= k_server_cores) platform = std::max(platform, std::min(k_server_core_bandwidth * cores, k_server_bandwidth));
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

/// The same of matrix products. Ryzen 7840HS (AVX-512) reaches 130–166 GFLOP/s a core in llama-bench prompts, Threadripper 5975WX
/// and 5995WX (AVX2) 45–80, twelve Arm cores with int8 matrix products 36 each (geerlingguy/ai-benchmarks issue 51).
double matrix_speedup(const HardwareProfile& hardware)
{
  return has_isa(hardware, "avx512") || has_isa(hardware, "amx") ? 2.3 : isa_speedup(hardware);
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
  rates.shared_memory = gpu.unified_memory && (gpu.vendor == "NVIDIA" || gpu.vendor == "AMD");
  rates.fp32 = value_of(gpu.fp32_tflops, 1e12);
  rates.matrix_class = matrix_class(gpu);
  rates.matrix = matrix_rate(gpu, rates.matrix_class, rates.fp32, value_of(gpu.fp16_tflops, 1e12));
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
  rates.matrix = matrix_speedup(hardware);
  rates.assumed = !hardware.memory.bandwidth || hardware.memory.bandwidth->value <= 0 ||
                  hardware.memory.bandwidth->confidence == FigureConfidence::assumed;
  rates.bandwidth = hardware.memory.bandwidth && hardware.memory.bandwidth->value > 0 ? hardware.memory.bandwidth->value
                                                                                      : assumed_bandwidth(hardware, rates.cores);
  return rates;
}

}  // namespace canirun
