#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "canirun/core/speed.hpp"

/// \file
/// The law behind `estimate_speed`, in three steps: the work that one token is (from the tensor plan), what a device does in a
/// second (from its published figures), and constants that join them (speed_constants.cpp, fitted by bench/speed_fit).

namespace canirun {

/// Block formats that cost alike to unpack: Q4_0 … Q8_0 (a scale a block), K-quants (scales of sub-blocks), those that look their
/// values up in a table (i-quants, MXFP4), 16- or 32-bit floats, and BF16, which not every device multiplies.
enum class QuantFamily : std::uint8_t { legacy, k, table, floating, brain };
inline constexpr std::size_t k_quant_families = 5;
QuantFamily quant_family(TensorType type);

/// What the layers on one device do for one generated token.
struct TokenWork {
  std::array<double, k_quant_families> bytes{};           ///< Weights read, by family.
  std::array<double, k_quant_families> weights{};         ///< The same as numbers of weights.
  std::array<double, k_quant_families> output_weights{};  ///< Part of `weights`: logits, once a prompt.
  double expert_weights = 0;                              ///< Part of `weights` that belongs to routed experts …
  double expert_share = 1;                                ///< … of which a token uses this share.
  double resident_bytes = 0;         ///< All weights that live there, every expert: what a prompt reads once a micro-batch.
  double cache_bytes = 0;            ///< KV cache and states read (and written) at the depth.
  double attention_flops = 0;        ///< Scores and weighted sums over the cache.
  double attention_flops_token = 0;  ///< The same for each token of depth, so that a prompt can sum it.
  double layers = 0;                 ///< A mixer or a feed-forward network alone is half of one.
  double moe_layers = 0;
  double recurrent_layers = 0;
  double visits = 0;       ///< Layers on a GPU that use these weights: each hands its token over and back.
  bool streamable = true;  ///< The GPU could multiply them all.

  double active_bytes() const;
  double active_weights() const;
};

/// How a device class differs from the next one in what it reaches of its published figures.
enum class BandwidthClass : std::uint8_t {
  nvidia,
  nvidia_unified,
  amd,
  amd_rdna4,
  amd_unified,
  apple,
  apple_ultra,
  intel,
  other
};
enum class UnpackClass : std::uint8_t { pascal, turing, ampere, ada, blackwell, amd, apple_early, apple, intel, other };
enum class LaunchClass : std::uint8_t { cuda, rocm, vulkan, metal };
/// How a prompt's matrix products are computed, and of which published rate the share is: NVIDIA's tensor cores (16-bit rate),
/// NVIDIA before them (dp4a, 32-bit rate), AMD's matrix units, AMD before them and AMD's integrated parts (16-bit rate), Apple's and
/// Intel's vector units and others (32-bit rate).
enum class MatrixClass : std::uint8_t { tensor_core, nvidia_plain, amd_matrix, amd_plain, amd_unified, apple, intel, other };
inline constexpr std::size_t k_bandwidth_classes = 9, k_unpack_classes = 10, k_launch_classes = 4, k_matrix_classes = 8;

struct GpuRates {
  BandwidthClass bandwidth_class = BandwidthClass::other;
  UnpackClass unpack_class = UnpackClass::other;
  LaunchClass launch_class = LaunchClass::vulkan;
  double bandwidth = 0;        ///< B/s, published.
  bool shared_memory = false;  ///< With the CPU, but not as Apple's.
  double fp32 = 0;             ///< FLOP/s; 0 = unknown.
  MatrixClass matrix_class = MatrixClass::other;
  double matrix = 0;  ///< FLOP/s, published, of the path that `matrix_class` names; 0 = unknown.
};
/// Nothing when the bandwidth is unknown.
std::optional<GpuRates> gpu_rates(const Gpu& gpu, Backend backend);

struct CpuRates {
  double bandwidth = 0;  ///< B/s that all cores together read.
  bool assumed = true;   ///< Nobody measured or stated it.
  double cores = 0;      ///< Threads that compute: physical cores, as llama.cpp starts by default.
  double speedup = 1;    ///< Of the instruction set in dot products, AVX2 = 1.
  double matrix = 1;     ///< The same in matrix products, where wide registers and int8 products pay more.
};
CpuRates cpu_rates(const HardwareProfile& hardware);

/// Constants of the law; their values and evidence are in speed_constants.cpp.
struct SpeedConstants {
  double bandwidth_share = 0;                                 ///< Reached share of the published bandwidth …
  std::array<double, k_bandwidth_classes> bandwidth_class{};  ///< … times that of the class.
  double shared_memory = 1;  ///< … times this where the CPU reads the same LPDDR5X or DDR5 (parts of NVIDIA, AMD and Intel).
  std::array<double, k_quant_families> unpack{};                    ///< fp32 operations to unpack and multiply one weight …
  std::array<double, k_unpack_classes> unpack_class{};              ///< … on a device that reaches this share of its fp32 rate.
  double layer = 0, moe_layer = 0, recurrent_layer = 0, token = 0;  ///< Seconds of launches, on CUDA.
  std::array<double, k_launch_classes> launch_class{};              ///< Times these.
  double cache_share = 0;                                           ///< Of the reached bandwidth, for caches, flash attention on.
  double cache_share_no_fa = 0;                                     ///< The same with flash attention off.
  double vulkan_brain_experts = 0;  ///< Of the reached bandwidth, for experts in BF16 on Vulkan: no vector kernel has them.
  double attention_share = 0;       ///< Of the fp32 rate, for one token's attention.
  std::array<double, k_matrix_classes> matrix_share{};   ///< Reached share of the matrix rate in a prompt …
  std::array<double, k_quant_families> matrix_family{};  ///< … times this by block format.
  double vulkan_brain = 0;                               ///< The same of BF16 on Vulkan.
  double fill = 0;  ///< FLOP/s that each token of a micro-batch keeps busy: large chips are not filled by 512 tokens.
  std::array<double, k_launch_classes> expert_tokens{};  ///< Tokens an expert needs for half of the rate: products come in tiles.
  std::array<double, k_launch_classes> prompt_attention{};  ///< Share of what weights reach, for attention in a prompt.
  double prompt_scan = 0;                                   ///< Seconds a token and recurrent layer: states follow one another.
  double prompt_layer = 0;                                  ///< Seconds a layer and micro-batch, on CUDA.

  double cpu_unpack_ps_legacy = 0, cpu_unpack_ps_k = 0, cpu_unpack_ps_table = 0,
         cpu_unpack_ps_float = 0;                            ///< Per weight and core.
  double cpu_layer = 0;                                      ///< Seconds a layer: barriers between threads.
  double cpu_attention_flops = 0;                            ///< FLOP/s a core reaches on attention.
  double cpu_prompt_flops = 0;                               ///< FLOP/s a core reaches on a prompt, AVX2.
  std::array<double, k_quant_families> cpu_matrix_family{};  ///< Times this by block format.
  double cpu_expert_tokens = 0;                              ///< As `expert_tokens`.
  double pipeline = 0;            ///< Of what GPUs in a row would save if they overlapped micro-batches perfectly.
  double transfer = 0;            ///< Seconds for handing a token from one device to the next.
  double transfer_bandwidth = 0;  ///< B/s of the bus when a prompt streams weights from RAM.
};
const SpeedConstants& speed_constants();

/// What measurements are of the estimate, from low to high: the range of a report. On GPUs nine of ten runs on hardware held out are
/// within; the high end is never more than three times the low one (docs/speed-model.md).
struct Spread {
  double low = 1, high = 1;
};
inline constexpr Spread k_gpu_spread{0.66, 1.40};
inline constexpr Spread k_cpu_spread{0.65, 1.45};
inline constexpr Spread k_assumed_spread{0.55, 1.64};   // a CPU whose memory nobody measured
inline constexpr Spread k_prompt_spread{0.578, 1.732};  // a factor of three, √3 either way

/// Seconds of one token on one device, in the parts whose largest is the limit that binds.
struct TokenTime {
  double memory = 0, compute = 0, launch = 0, transfer = 0;
  double total() const { return memory + compute + launch + transfer; }
};
TokenTime token_time(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c, bool flash_attn);
TokenTime token_time(const TokenWork& work, const CpuRates& cpu, const SpeedConstants& c);

/// A prompt of `n` tokens after `before` others, in micro-batches of at most `n_ubatch`.
struct Prompt {
  double n = 512, n_ubatch = 512, before = 0;
};
/// Seconds of a prompt: arithmetic, but never faster than reading the weights once a micro-batch.
double prompt_time(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c, const Prompt& prompt);
double prompt_time(const TokenWork& work, const CpuRates& cpu, const SpeedConstants& c, const Prompt& prompt);
/// The share of the sum of its times that a prompt takes on so many GPUs in a row: while one computes a micro-batch, the one before it
/// has the next (llama.cpp: pipeline parallelism, when everything is offloaded).
double pipelined_share(std::size_t n_gpus, const SpeedConstants& c, const Prompt& prompt);
/// Of weights in RAM that are streamed to a GPU for large batches (llama.cpp: --op-offload, on by default from 32 tokens).
double streamed_prompt_time(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c, const Prompt& prompt);

}  // namespace canirun
