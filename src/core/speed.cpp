#include "canirun/core/speed.hpp"

#include <algorithm>

#include "canirun/core/checkpoint.hpp"
#include "memory_model.hpp"
#include "plan_sums.hpp"

namespace canirun {

namespace {

// A prompt rate is that of llama-bench's pp512.
constexpr std::uint32_t k_bench_prompt = 512;
// Below this many tokens llama.cpp computes weights in RAM on the CPU (ggml-cuda.cu: min_batch_size of offload_op).
constexpr double k_stream_tokens = 32;

struct Device {
  TokenWork work;
  std::optional<GpuRates> gpu;  ///< Nothing: the host.
};

bool has_work(const TokenWork& work) { return work.resident_bytes > 0 || work.cache_bytes > 0; }

SpeedLimit largest(const TokenTime& t)
{
  const auto most = std::max({t.memory, t.compute, t.launch, t.transfer});
  if (most == t.memory) return SpeedLimit::memory_bandwidth;
  if (most == t.compute) return SpeedLimit::compute;
  return most == t.launch ? SpeedLimit::launch : SpeedLimit::transfer;
}

/// Rate from a time for each spread; the high end of the rate is the short end of the time.
Range rate(double tokens, double seconds, double fast_seconds, double slow_seconds)
{
  return {tokens / slow_seconds, tokens / seconds, tokens / fast_seconds};
}

}  // namespace

SpeedEstimate estimate_speed(const ModelSpec& model, const TensorPlan& plan, const Workload& workload, const Placement& placement,
                             const HardwareProfile& hardware)
{
  return estimate_speed(model, plan_work(plan, PlanLayers(model, plan, sites_by_type(plan)), placement.backend),
                        cache_layers(model, workload, resolve(workload, model)), workload, placement, hardware);
}

SpeedEstimate estimate_speed(const ModelSpec& model, const PlanWork& plan, const CacheLayers& caches, const Workload& workload,
                             const Placement& placement, const HardwareProfile& hardware)
{
  SpeedEstimate estimate;
  const auto& c = speed_constants();
  const auto shape = resolve(workload, model);
  const auto depth = workload.depth < 0 ? shape.n_ctx_seq / 2
                                        : static_cast<std::uint32_t>(std::min<std::int64_t>(workload.depth, shape.n_ctx_seq));
  const bool flash_attn = workload.flash_attn != FlashAttention::off;

  auto work = token_work(model, plan, caches, workload, placement, depth);
  const auto cpu = cpu_rates(hardware);
  const Spread cpu_spread = cpu.assumed ? k_assumed_spread : k_cpu_spread;
  std::vector<Device> devices;
  bool measured = true;
  for (std::size_t i = 0; i < placement.gpus.size(); ++i) {
    if (!has_work(work[i])) continue;
    const auto& gpu = hardware.gpus[placement.gpus[i]];
    const auto rates = gpu_rates(gpu, placement.backend);
    if (!rates) return estimate;  // a device of unknown bandwidth: no figure is better than a guess
    measured = measured && gpu.bandwidth->confidence == FigureConfidence::measured;
    devices.push_back({work[i], rates});
  }
  const bool host_works = has_work(work.back());
  if (host_works) devices.push_back({work.back(), std::nullopt});

  TokenTime parts;
  double fast = 0, slow = 0;
  for (const auto& d : devices) {
    const auto t = d.gpu ? token_time(d.work, *d.gpu, c, flash_attn) : token_time(d.work, cpu, c);
    const Spread spread = d.gpu ? k_gpu_spread : cpu_spread;
    parts.memory += t.memory;
    parts.compute += t.compute;
    parts.launch += t.launch;
    fast += t.total() / spread.high;
    slow += t.total() / spread.low;
  }
  // Activations cross once between neighbours, and to the host and back in each layer that has weights there.
  if (devices.size() > 1) {
    parts.transfer = (static_cast<double>(devices.size() - 1) + 2 * work.back().visits) * c.transfer;
    fast += parts.transfer;
    slow += parts.transfer;
  }
  if (parts.total() <= 0) return estimate;
  estimate.generation_tps = rate(1, parts.total(), fast, slow);
  estimate.limited_by = largest(parts);
  if (host_works && cpu.assumed) estimate.basis = SpeedBasis::assumed;
  else if (measured) estimate.basis = SpeedBasis::measured;

  if (std::ranges::any_of(devices, [](const Device& d) { return d.gpu && d.gpu->matrix <= 0; })) return estimate;
  const bool overlap = devices.size() > 1 && !host_works && !loads_checkpoints(workload.runtime) &&
                       schedule_request(model, workload, placement).pipeline;
  const auto prompt_seconds = [&](double n) {
    const Prompt prompt{n, static_cast<double>(shape.n_ubatch)};
    double sum = 0;
    for (const auto& d : devices) {
      auto seconds = d.gpu ? prompt_time(d.work, *d.gpu, c, prompt) : prompt_time(d.work, cpu, c, prompt);
      const auto& first = devices.front();
      if (!d.gpu && first.gpu && d.work.streamable && n >= k_stream_tokens) {
        seconds = std::min(seconds, streamed_prompt_time(d.work, *first.gpu, c, prompt));
      }
      sum += seconds;
    }
    return overlap ? sum * pipelined_share(devices.size(), c, prompt) : sum;
  };
  const double n_bench = std::min(k_bench_prompt, shape.n_ctx_seq);
  const auto bench = prompt_seconds(n_bench), whole = prompt_seconds(depth > 0 ? depth : n_bench);
  estimate.prompt_tps = rate(n_bench, bench, bench / k_prompt_spread.high, bench / k_prompt_spread.low);
  estimate.time_to_first_token_s =
      Range{whole / k_prompt_spread.high + fast, whole + parts.total(), whole / k_prompt_spread.low + slow};
  return estimate;
}

}  // namespace canirun
