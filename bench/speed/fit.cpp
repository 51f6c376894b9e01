#include "fit.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace canirun {

namespace {

// Where a constant of a class has no evidence it stays at its prior: physical reasoning is beside it there.
constexpr double k_free = 2.0;     // a factor of 7: the data decide
constexpr double k_class = 0.35;   // a factor of 1.4: a class is like the others until it shows otherwise
constexpr double k_alike = 0.1;    // within a tenth: parts of one memory technology
constexpr double k_counted = 0.7;  // a factor of 2: counted in the source of the kernels

void add(std::vector<Knob>& knobs, double tolerance, auto get) { knobs.push_back({get, tolerance}); }

template <std::size_t n>
void add_all(std::vector<Knob>& knobs, double tolerance, std::array<double, n> SpeedConstants::*list, std::size_t first = 0)
{
  for (std::size_t i = first; i < n; ++i) add(knobs, tolerance, [=](SpeedConstants& c) -> double& { return (c.*list)[i]; });
}

/// Weighted mean of a bounded loss, every device and backend counting by the square root of its runs, plus the price of the priors.
double loss(const Fit& how, std::span<const Sample* const> samples, std::span<const double> weights, SpeedConstants c)
{
  double sum = 0, total = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto e = how.error(*samples[i], c) / how.scale;
    sum += weights[i] * std::log1p(e * e);
    total += weights[i];
  }
  double cost = 0;
  auto prior = how.prior;
  for (const auto& k : how.knobs) {
    const auto d = std::log(k.get(c) / k.get(prior)) / k.tolerance;
    cost += d * d;
  }
  return sum / total + how.prior_weight * cost;
}

}  // namespace

std::vector<Knob> generation_knobs()
{
  std::vector<Knob> knobs;
  add(knobs, k_free, [](SpeedConstants& c) -> double& { return c.bandwidth_share; });
  const auto shared = [](std::size_t i) {
    return i == static_cast<std::size_t>(BandwidthClass::nvidia_unified) ||
           i == static_cast<std::size_t>(BandwidthClass::amd_unified);
  };
  for (std::size_t i = 1; i < k_bandwidth_classes; ++i) {  // the first is what the share is of
    add(knobs, shared(i) ? k_alike : k_class, [i](SpeedConstants& c) -> double& { return c.bandwidth_class[i]; });
  }
  add(knobs, k_class, [](SpeedConstants& c) -> double& { return c.shared_memory; });
  add_all(knobs, k_counted, &SpeedConstants::unpack);
  add_all(knobs, k_class, &SpeedConstants::unpack_class);
  add(knobs, k_free, [](SpeedConstants& c) -> double& { return c.layer; });
  add(knobs, k_free, [](SpeedConstants& c) -> double& { return c.moe_layer; });
  add(knobs, k_free, [](SpeedConstants& c) -> double& { return c.recurrent_layer; });
  add(knobs, k_free, [](SpeedConstants& c) -> double& { return c.token; });
  add_all(knobs, k_class, &SpeedConstants::launch_class, 1);
  add(knobs, k_class, [](SpeedConstants& c) -> double& { return c.cache_share; });
  add(knobs, k_class, [](SpeedConstants& c) -> double& { return c.cache_share_no_fa; });
  add(knobs, k_counted, [](SpeedConstants& c) -> double& { return c.vulkan_brain_experts; });
  add(knobs, k_counted, [](SpeedConstants& c) -> double& { return c.attention_share; });
  return knobs;
}

std::vector<Knob> prompt_knobs()
{
  std::vector<Knob> knobs;
  add_all(knobs, k_class, &SpeedConstants::matrix_share);
  add_all(knobs, k_class / 2, &SpeedConstants::matrix_family, 1);
  add(knobs, k_counted, [](SpeedConstants& c) -> double& { return c.vulkan_brain; });
  add(knobs, k_counted, [](SpeedConstants& c) -> double& { return c.fill; });
  add_all(knobs, k_class, &SpeedConstants::expert_tokens);
  add_all(knobs, k_counted, &SpeedConstants::prompt_attention);
  add(knobs, k_counted, [](SpeedConstants& c) -> double& { return c.prompt_scan; });
  add(knobs, k_counted, [](SpeedConstants& c) -> double& { return c.prompt_layer; });
  return knobs;
}

double generation_error(const Sample& s, const SpeedConstants& c) { return -std::log(token_seconds(s, c) * s.tg); }

double prompt_error(const Sample& s, const SpeedConstants& c) { return std::log(s.prompt.n / prompt_seconds(s, c) / s.pp); }

/// Coordinate descent on the logarithms, with a step for each constant that grows on success and shrinks on failure.
SpeedConstants fit(const Fit& how, std::span<const Sample* const> samples)
{
  std::map<std::pair<std::string, Backend>, double> count;
  for (const auto* s : samples) count[{s->device, s->backend}] += 1;
  std::vector<double> weights;
  for (const auto* s : samples) weights.push_back(1 / std::sqrt(count[{s->device, s->backend}]));

  auto best = how.prior;
  auto least = loss(how, samples, weights, best);
  std::vector<double> step(how.knobs.size(), 0.2);
  for (int round = 0; round < 60 && *std::ranges::max_element(step) > 0.003; ++round) {
    for (std::size_t k = 0; k < how.knobs.size(); ++k) {
      bool moved = false;
      for (const double sign : {1.0, -1.0}) {
        auto trial = best;
        how.knobs[k].get(trial) *= std::exp(sign * step[k]);
        const auto l = loss(how, samples, weights, trial);
        if (l >= least - 1e-9) continue;
        best = trial;
        least = l;
        moved = true;
        break;
      }
      step[k] *= moved ? 1.3 : 0.5;
    }
  }
  return best;
}

}  // namespace canirun
