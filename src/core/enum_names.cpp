#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

#include "canirun/core/checkpoint.hpp"
#include "canirun/core/grade.hpp"
#include "canirun/core/placement.hpp"
#include "canirun/core/report.hpp"
#include "canirun/core/speed.hpp"
#include "canirun/core/workload.hpp"

/// \file
/// How the small enumerations are spelled on the command line and in reports: one table each, read in both directions.

namespace canirun {

namespace {

template <typename T, std::size_t N>
using Names = std::array<std::pair<T, std::string_view>, N>;

constexpr Names<Letter, 6> k_letters{
    {{Letter::F, "F"}, {Letter::D, "D"}, {Letter::C, "C"}, {Letter::B, "B"}, {Letter::A, "A"}, {Letter::S, "S"}}};
constexpr Names<GradeLimit, 2> k_grade_limits{{{GradeLimit::memory, "memory"}, {GradeLimit::speed, "speed"}}};
constexpr Names<Backend, 5> k_backends{{{Backend::cpu, "cpu"},
                                        {Backend::cuda, "cuda"},
                                        {Backend::vulkan, "vulkan"},
                                        {Backend::rocm, "rocm"},
                                        {Backend::metal, "metal"}}};
constexpr Names<Placement::Mode, 4> k_modes{{{Placement::Mode::gpu, "gpu"},
                                             {Placement::Mode::split, "split"},
                                             {Placement::Mode::cpu, "cpu"},
                                             {Placement::Mode::none, "none"}}};
constexpr Names<SpeedLimit, 4> k_speed_limits{{{SpeedLimit::memory_bandwidth, "memory_bandwidth"},
                                               {SpeedLimit::compute, "compute"},
                                               {SpeedLimit::launch, "launch"},
                                               {SpeedLimit::transfer, "transfer"}}};
constexpr Names<SpeedBasis, 3> k_speed_bases{
    {{SpeedBasis::table, "table"}, {SpeedBasis::measured, "measured"}, {SpeedBasis::assumed, "assumed"}}};
constexpr Names<Runtime, 7> k_runtimes{{{Runtime::llama_cpp, "llama.cpp"},
                                        {Runtime::llama_server, "llama-server"},
                                        {Runtime::ollama, "ollama"},
                                        {Runtime::lm_studio, "lm-studio"},
                                        {Runtime::vllm, "vllm"},
                                        {Runtime::transformers, "transformers"},
                                        {Runtime::diffusers, "diffusers"}}};
constexpr Names<CheckpointType, 9> k_checkpoint_types{{{CheckpointType::awq, "AWQ"},
                                                       {CheckpointType::gptq, "GPTQ"},
                                                       {CheckpointType::mxfp4, "MXFP4"},
                                                       {CheckpointType::fp8, "FP8"},
                                                       {CheckpointType::bf16, "BF16"},
                                                       {CheckpointType::nf4, "NF4"},
                                                       {CheckpointType::int8, "INT8"},
                                                       {CheckpointType::f16, "F16"},
                                                       {CheckpointType::f32, "F32"}}};
constexpr Names<FlashAttention, 3> k_flash_attention{
    {{FlashAttention::automatic, "auto"}, {FlashAttention::on, "on"}, {FlashAttention::off, "off"}}};
constexpr Names<BudgetKind, 2> k_budget_kinds{{{BudgetKind::capacity, "capacity"}, {BudgetKind::free, "free"}}};

template <typename T, std::size_t N>
std::string_view name_in(const Names<T, N>& names, T value)
{
  for (const auto& [v, text] : names) {
    if (v == value) return text;
  }
  return "?";
}

bool equal_folded(std::string_view a, std::string_view b)
{
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

template <typename T, std::size_t N>
std::optional<T> parse_in(const Names<T, N>& names, std::string_view text)
{
  for (const auto& [v, spelling] : names) {
    if (equal_folded(spelling, text)) return v;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(Letter letter) { return name_in(k_letters, letter); }
std::optional<Letter> parse_letter(std::string_view text) { return parse_in(k_letters, text); }
std::string_view name(GradeLimit limit) { return name_in(k_grade_limits, limit); }
std::string_view name(Backend backend) { return name_in(k_backends, backend); }
std::optional<Backend> parse_backend(std::string_view text) { return parse_in(k_backends, text); }
std::string_view name(Placement::Mode mode) { return name_in(k_modes, mode); }
std::string_view name(SpeedLimit limit) { return name_in(k_speed_limits, limit); }
std::string_view name(SpeedBasis basis) { return name_in(k_speed_bases, basis); }
std::string_view name(Runtime runtime) { return name_in(k_runtimes, runtime); }
std::optional<Runtime> parse_runtime(std::string_view text) { return parse_in(k_runtimes, text); }
std::string_view name(FlashAttention flash_attn) { return name_in(k_flash_attention, flash_attn); }
std::optional<FlashAttention> parse_flash_attention(std::string_view text) { return parse_in(k_flash_attention, text); }
std::string_view name(BudgetKind kind) { return name_in(k_budget_kinds, kind); }
std::optional<BudgetKind> parse_budget_kind(std::string_view text) { return parse_in(k_budget_kinds, text); }

std::string_view name(CheckpointType type) { return name_in(k_checkpoint_types, type); }
std::optional<CheckpointType> parse_checkpoint_type(std::string_view text) { return parse_in(k_checkpoint_types, text); }
std::span<const CheckpointType> checkpoint_types(Runtime runtime)
{
  using enum CheckpointType;
  static constexpr std::array k_vllm{awq, gptq, mxfp4, fp8, bf16};
  static constexpr std::array k_transformers{awq, gptq, mxfp4, nf4, int8, f16, bf16, f32};
  static constexpr std::array k_diffusers{fp8, f16, bf16, f32};
  switch (runtime) {
    case Runtime::vllm: return k_vllm;
    case Runtime::transformers: return k_transformers;
    case Runtime::diffusers: return k_diffusers;
    default: return {};
  }
}

}  // namespace canirun
