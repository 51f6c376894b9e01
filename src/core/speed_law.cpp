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

double reached_bandwidth(const GpuRates& gpu, const SpeedConstants& c)
{
  return c.bandwidth_share * c.bandwidth_class[at(gpu.bandwidth_class)] * gpu.bandwidth;
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

/// Operations of a prompt: a multiply-add a weight and token, and attention over what came before.
double prompt_flops(const TokenWork& work, const SpeedConstants& c, double n_prompt)
{
  const auto dense = work.active_weights() - work.expert_weights;
  return 2 * n_prompt * (dense + work.expert_weights / c.moe_matrix_share) + work.attention_flops_token * n_prompt * n_prompt / 2;
}

double cpu_unpack(const TokenWork& work, const SpeedConstants& c)
{
  return (work.weights[at(QuantFamily::legacy)] * c.cpu_unpack_ps_legacy + work.weights[at(QuantFamily::k)] * c.cpu_unpack_ps_k +
          work.weights[at(QuantFamily::table)] * c.cpu_unpack_ps_table +
          work.weights[at(QuantFamily::floating)] * c.cpu_unpack_ps_float) *
         1e-12;
}

}  // namespace

TokenTime token_time(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c, bool flash_attn)
{
  TokenTime t;
  const auto bandwidth = reached_bandwidth(gpu, c);
  t.memory =
      work.active_bytes() / bandwidth + work.cache_bytes / (bandwidth * (flash_attn ? c.cache_share : c.cache_share_no_fa));
  for (std::size_t f = 0; f < k_quant_families; ++f) t.compute += work.weights[f] * c.unpack[f];
  t.compute /= c.unpack_class[at(gpu.unpack_class)] * gpu.fp32;
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

double prompt_time(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c, double n_prompt, double n_ubatch)
{
  const auto batches = std::ceil(n_prompt / n_ubatch);
  const auto rate = c.matrix_share[at(gpu.launch_class)] * gpu.matrix / (1 + gpu.matrix / (c.fill * n_prompt / batches));
  const auto arithmetic = prompt_flops(work, c, n_prompt) / rate;
  const auto reading = batches * batch_bytes(work, n_prompt / batches) / reached_bandwidth(gpu, c);
  return std::max(arithmetic, reading) + batches * (work.layers + work.moe_layers) * c.prompt_layer;
}

double prompt_time(const TokenWork& work, const CpuRates& cpu, const SpeedConstants& c, double n_prompt, double n_ubatch)
{
  const auto batches = std::ceil(n_prompt / n_ubatch);
  const auto arithmetic = prompt_flops(work, c, n_prompt) / (c.cpu_prompt_flops * cpu.cores * cpu.speedup);
  const auto reading = batches * batch_bytes(work, n_prompt / batches) / cpu.bandwidth;
  return std::max(arithmetic, reading);
}

double streamed_prompt_time(const TokenWork& work, const GpuRates& gpu, const SpeedConstants& c, double n_prompt, double n_ubatch)
{
  const auto batches = std::ceil(n_prompt / n_ubatch);
  return prompt_time(work, gpu, c, n_prompt, n_ubatch) + batches * batch_bytes(work, n_prompt / batches) / c.transfer_bandwidth;
}

}  // namespace canirun
