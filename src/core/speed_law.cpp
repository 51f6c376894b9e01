#include "speed_law.hpp"

#include <algorithm>
#include <cmath>

namespace canirun {

double TokenWork::active_bytes() const
{
  double sum = 0;
  for (const auto b : bytes) sum += b;
  return sum;
}

double TokenWork::active_weights() const
{
  double sum = 0;
  for (const auto w : weights) sum += w;
  return sum;
}

namespace {

std::size_t at(auto value) { return static_cast<std::size_t>(value); }

// Refresh alone takes 4 to 8 % of a DRAM's time (tRFC / tREFI of GDDR6 and LPDDR5 data sheets): no class reads faster than this.
constexpr double k_most_of_bandwidth = 0.95;

double reached_bandwidth(const GpuRates& gpu, const SpeedConstants& c)
{
  const auto shared = gpu.shared_memory ? c.shared_memory : 1;
  return std::min(k_most_of_bandwidth, c.bandwidth_share * c.bandwidth_class[at(gpu.bandwidth_class)] * shared) * gpu.bandwidth;
}

/// Bytes of weights that a micro-batch of `tokens` reads: all of the dense part, and each expert that any token chose.
double batch_bytes(const TokenWork& work, double tokens)
{
  const auto weights = work.active_weights();
  if (weights <= 0) return 0;
  const auto dense = work.active_bytes() * (1 - work.expert_weights / weights);
  const auto touched = 1 - std::pow(1 - work.expert_share, tokens);
  return dense + (work.resident_bytes - dense) * touched;
}

/// Multiply-adds of attention in a prompt: each token over those before it.
double attention_flops(const TokenWork& work, const Prompt& p) { return work.attention_flops_token * p.n * (p.n / 2 + p.before); }

using FamilyRates = std::array<double, k_quant_families>;

/// What a token's weights would be if they all were of the format and shape that reaches most: blocks that cost more to unpack
/// count for more, and experts, whose products are padded to tiles, for the tokens that each of them gets.
double equivalent_weights(const TokenWork& work, const FamilyRates& family, double tokens, double expert_tokens)
{
  const auto weights = work.active_weights();
  if (weights <= 0) return 0;
  double sum = 0;
  for (std::size_t f = 0; f < k_quant_families; ++f) sum += (work.weights[f] - work.output_weights[f]) / family[f];
  const auto padding = work.expert_weights / weights * expert_tokens / std::max(1.0, tokens * work.expert_share);
  return sum * (1 + padding);
}

/// Vulkan drivers of AMD and Intel have no matrix units for BF16: those products run in 32 bit.
FamilyRates family_rates(const GpuRates& gpu, const SpeedConstants& c)
{
  auto rates = c.matrix_family;
  const bool has_units = gpu.bandwidth_class == BandwidthClass::nvidia || gpu.bandwidth_class == BandwidthClass::nvidia_unified;
  if (gpu.launch_class == LaunchClass::vulkan && !has_units) rates[at(QuantFamily::brain)] *= c.vulkan_brain;
  return rates;
}

/// What experts in BF16 cost on Vulkan beyond their bytes: ggml-vulkan.cpp (ggml_vk_use_mul_mat_vec_id) multiplies them for one token
/// with the kernel of prompts.
double slow_expert_bytes(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c)
{
  if (gpu.launch_class != LaunchClass::vulkan) return 0;
  const auto brain = at(QuantFamily::brain);
  const auto experts = std::min(work.expert_weights, work.weights[brain]);
  return experts > 0 ? experts * (work.bytes[brain] / work.weights[brain]) * (1 / c.vulkan_brain_experts - 1) : 0;
}

double cpu_unpack(const TokenWork& work, const SpeedConstants& c)
{
  return (work.weights[at(QuantFamily::legacy)] * c.cpu_unpack_ps_legacy + work.weights[at(QuantFamily::k)] * c.cpu_unpack_ps_k +
          work.weights[at(QuantFamily::table)] * c.cpu_unpack_ps_table +
          (work.weights[at(QuantFamily::floating)] + work.weights[at(QuantFamily::brain)]) * c.cpu_unpack_ps_float) *
         1e-12;
}

}  // namespace

TokenTime token_time(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c, bool flash_attn)
{
  TokenTime t;
  const auto bandwidth = reached_bandwidth(gpu, c);
  t.memory = (work.active_bytes() + slow_expert_bytes(work, gpu, c)) / bandwidth +
             work.cache_bytes / (bandwidth * (flash_attn ? c.cache_share : c.cache_share_no_fa));
  for (std::size_t f = 0; f < k_quant_families; ++f) t.compute += work.weights[f] * c.unpack[f];
  t.compute /= c.unpack_class[at(gpu.unpack_class)] * gpu.fp32;
  t.compute += work.attention_flops / (c.attention_share * gpu.fp32);
  t.launch = (work.layers * c.layer + work.moe_layers * c.moe_layer + work.recurrent_layers * c.recurrent_layer + c.token) *
             c.launch_class[at(gpu.launch_class)];
  return t;
}

TokenTime token_time(const TokenWork& work, const CpuRates& cpu, const SpeedConstants& c)
{
  TokenTime t;
  t.memory = (work.active_bytes() + work.cache_bytes) / cpu.bandwidth;
  t.compute = (cpu_unpack(work, c) + work.attention_flops / c.cpu_attention_flops) / (cpu.cores * cpu.speedup);
  t.launch = (work.layers + work.moe_layers) * c.cpu_layer;
  return t;
}

double prompt_time(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c, const Prompt& p)
{
  const auto batches = std::ceil(p.n / p.n_ubatch);
  const auto tokens = p.n / batches;
  const auto rate = c.matrix_share[at(gpu.matrix_class)] * gpu.matrix / (1 + gpu.matrix / (c.fill * tokens));
  const auto products = 2 * p.n * equivalent_weights(work, family_rates(gpu, c), tokens, c.expert_tokens[at(gpu.launch_class)]);
  const auto attention = attention_flops(work, p) / (c.prompt_attention[at(gpu.launch_class)] * rate);
  const auto reading = batches * batch_bytes(work, tokens) / reached_bandwidth(gpu, c);
  const auto launch = c.prompt_layer * c.launch_class[at(gpu.launch_class)];
  return std::max(products / rate + attention, reading) + p.n * work.recurrent_layers * c.prompt_scan +
         batches * (work.layers + work.moe_layers) * launch;
}

double prompt_time(const TokenWork& work, const CpuRates& cpu, const SpeedConstants& c, const Prompt& p)
{
  const auto batches = std::ceil(p.n / p.n_ubatch);
  const auto tokens = p.n / batches;
  const auto products = 2 * p.n * equivalent_weights(work, c.cpu_matrix_family, tokens, c.cpu_expert_tokens);
  const auto attention = attention_flops(work, p) / (c.cpu_attention_flops * cpu.cores * cpu.speedup);
  const auto reading = batches * batch_bytes(work, tokens) / cpu.bandwidth;
  return std::max(products / (c.cpu_prompt_flops * cpu.cores * cpu.matrix) + attention, reading);
}

double pipelined_share(std::size_t n_gpus, const SpeedConstants& c, const Prompt& p)
{
  const auto gpus = static_cast<double>(std::max<std::size_t>(1, n_gpus)), batches = std::ceil(p.n / p.n_ubatch);
  const auto perfect = (batches + gpus - 1) / (batches * gpus);
  return 1 - c.pipeline * (1 - perfect);
}

double streamed_prompt_time(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c, const Prompt& p)
{
  const auto batches = std::ceil(p.n / p.n_ubatch);
  return prompt_time(work, gpu, c, p) + batches * batch_bytes(work, p.n / batches) / c.transfer_bandwidth;
}

}  // namespace canirun
