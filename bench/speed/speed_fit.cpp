#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <set>

#include "samples.hpp"

/// \file
/// Fits the constants of the speed law to measurements and says how well they hold on hardware they were not fitted on.
///
///   zcat speed.jsonl.gz | bench/speed_fit
///
/// Prints the constants as src/core/speed_constants.cpp has them, then errors in sample and with each GPU held out in turn.

namespace {

using namespace canirun;

/// One constant that is fitted: how far from its prior it is believed to be (standard deviation of the logarithm).
struct Knob {
  std::function<double&(SpeedConstants&)> get;
  double tolerance = 1;
};

// Where a constant of a class has no evidence it stays at its prior, the value of speed_constants() before any fit: physical
// reasoning is beside it there.
constexpr double k_global_tolerance = 2.0;  // a factor of 7: the data decide
constexpr double k_class_tolerance = 0.35;  // a factor of 1.4: a class is like the others until it shows otherwise
constexpr double k_prior_weight = 0.004;
constexpr double k_error_scale = 0.12;  // errors well beyond it are outliers and pull less (Cauchy)

std::vector<Knob> generation_knobs()
{
  std::vector<Knob> knobs;
  const auto add = [&](std::function<double&(SpeedConstants&)> get, double tolerance) {
    knobs.push_back({std::move(get), tolerance});
  };
  add([](SpeedConstants& c) -> double& { return c.bandwidth_share; }, k_global_tolerance);
  for (std::size_t i = 0; i < k_bandwidth_classes; ++i)
    add([i](SpeedConstants& c) -> double& { return c.bandwidth_class[i]; }, k_class_tolerance);
  for (std::size_t i = 0; i < k_quant_families; ++i) add([i](SpeedConstants& c) -> double& { return c.unpack[i]; }, 0.7);
  for (std::size_t i = 0; i < k_unpack_classes; ++i)
    add([i](SpeedConstants& c) -> double& { return c.unpack_class[i]; }, k_class_tolerance);
  add([](SpeedConstants& c) -> double& { return c.layer; }, k_global_tolerance);
  add([](SpeedConstants& c) -> double& { return c.moe_layer; }, k_global_tolerance);
  add([](SpeedConstants& c) -> double& { return c.recurrent_layer; }, k_global_tolerance);
  add([](SpeedConstants& c) -> double& { return c.token; }, k_global_tolerance);
  for (std::size_t i = 1; i < k_launch_classes; ++i)
    add([i](SpeedConstants& c) -> double& { return c.launch_class[i]; }, k_class_tolerance);
  add([](SpeedConstants& c) -> double& { return c.cache_share; }, k_class_tolerance);
  add([](SpeedConstants& c) -> double& { return c.cache_share_no_fa; }, k_class_tolerance);
  return knobs;
}

std::vector<Knob> prompt_knobs()
{
  std::vector<Knob> knobs;
  for (std::size_t i = 0; i < k_launch_classes; ++i) {
    knobs.push_back({[i](SpeedConstants& c) -> double& { return c.matrix_share[i]; }, k_class_tolerance});
  }
  knobs.push_back({[](SpeedConstants& c) -> double& { return c.moe_matrix_share; }, k_global_tolerance});
  knobs.push_back({[](SpeedConstants& c) -> double& { return c.prompt_layer; }, k_class_tolerance});
  knobs.push_back({[](SpeedConstants& c) -> double& { return c.fill; }, 0.7});
  return knobs;
}

double generation_error(const Sample& s, const SpeedConstants& c)
{
  return std::log(1 / token_time(s.work, s.rates, c, s.flash_attn).total() / s.tg);
}

double prompt_error(const Sample& s, const SpeedConstants& c)
{
  const auto n = s.n_prompt;
  return std::log(n / prompt_time(s.work, s.rates, c, n, std::min(n, 512.0)) / s.pp);
}

using Error = double (*)(const Sample&, const SpeedConstants&);

/// Weighted mean of a bounded loss, every GPU and backend counting by the square root of its runs, plus what the priors cost.
double loss(std::span<const Sample* const> samples, std::span<const double> weights, const SpeedConstants& c,
            std::span<const Knob> knobs, const SpeedConstants& prior, Error error)
{
  double sum = 0, total = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto e = error(*samples[i], c) / k_error_scale;
    sum += weights[i] * std::log1p(e * e);
    total += weights[i];
  }
  double cost = 0;
  auto a = c, b = prior;
  for (const auto& k : knobs) {
    const auto d = std::log(k.get(a) / k.get(b)) / k.tolerance;
    cost += d * d;
  }
  return sum / total + k_prior_weight * cost;
}

/// Coordinate descent on the logarithms, with a step for each constant that grows on success and shrinks on failure.
SpeedConstants fit(std::span<const Sample* const> samples, const SpeedConstants& prior, std::span<const Knob> knobs, Error error)
{
  std::map<std::pair<std::string, Backend>, double> count;
  for (const auto* s : samples) count[{s->gpu, s->backend}] += 1;
  std::vector<double> weights;
  for (const auto* s : samples) weights.push_back(1 / std::sqrt(count[{s->gpu, s->backend}]));

  auto best = prior;
  auto least = loss(samples, weights, best, knobs, prior, error);
  std::vector<double> step(knobs.size(), 0.2);
  for (int round = 0; round < 60 && *std::ranges::max_element(step) > 0.003; ++round) {
    for (std::size_t k = 0; k < knobs.size(); ++k) {
      bool moved = false;
      for (const double sign : {1.0, -1.0}) {
        auto trial = best;
        knobs[k].get(trial) *= std::exp(sign * step[k]);
        const auto l = loss(samples, weights, trial, knobs, prior, error);
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

/// How far estimates are from measurements: share within a factor, median factor, quantiles.
struct Errors {
  std::vector<double> logs;

  double within(double share) const
  {
    return static_cast<double>(std::ranges::count_if(logs, [&](double e) { return std::abs(std::exp(e) - 1) <= share; })) /
           static_cast<double>(std::max<std::size_t>(1, logs.size()));
  }
  double quantile(double q) const
  {
    if (logs.empty()) return 0;
    auto sorted = logs;
    std::ranges::sort(sorted);
    return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
  }
  /// Share of measurements within the range that is reported.
  double covered(Spread spread) const
  {
    return static_cast<double>(
               std::ranges::count_if(logs, [&](double e) { return std::exp(-e) >= spread.low && std::exp(-e) <= spread.high; })) /
           static_cast<double>(std::max<std::size_t>(1, logs.size()));
  }
  double median_factor() const
  {
    Errors absolute;
    for (const auto e : logs) absolute.logs.push_back(std::abs(e));
    return std::exp(absolute.quantile(0.5));
  }
};

void print_row(const std::string& label, const Errors& e, double share, Spread spread)
{
  std::printf("| %-52s | %4zu | x%.2f | x%.3f | %3.0f %% | %.2f to %.2f | %3.0f %% |\n", label.c_str(), e.logs.size(),
              std::exp(e.quantile(0.5)), e.median_factor(), 100 * e.within(share), std::exp(-e.quantile(0.95)),
              std::exp(-e.quantile(0.05)), 100 * e.covered(spread));
}

/// Errors of `samples`, all with constants of their own fit, then each GPU with constants fitted on the others.
void cross_validate(const char* title, const std::vector<Sample>& samples, const SpeedConstants& prior,
                    std::span<const Knob> knobs, Error error, double share, Spread spread, const SpeedConstants& fitted)
{
  std::vector<const Sample*> all;
  std::set<std::string> gpus;
  for (const auto& s : samples) {
    all.push_back(&s);
    gpus.insert(s.gpu);
  }
  std::map<bool, Errors> in_sample, held_out;
  std::map<std::string, Errors> by_gpu;
  for (const auto* s : all) in_sample[s->moe].logs.push_back(error(*s, fitted));
  for (const auto& gpu : gpus) {
    std::vector<const Sample*> others;
    std::ranges::copy_if(all, std::back_inserter(others), [&](const Sample* s) { return s->gpu != gpu; });
    const auto c = fit(others, prior, knobs, error);
    for (const auto* s : all) {
      if (s->gpu != gpu) continue;
      held_out[s->moe].logs.push_back(error(*s, c));
      by_gpu[gpu + (s->moe ? " MoE " : " dense ") + std::string(name(s->backend))].logs.push_back(error(*s, c));
    }
  }
  std::printf(
      "\n%s\n\n| | runs | median estimate/measured | median factor off | within %.0f %% | measured/estimate, 5th to 95th | "
      "within the range |\n|---|---|---|---|---|---|---|\n",
      title, 100 * share);
  for (const bool moe : {false, true}) {
    print_row(std::string(moe ? "MoE" : "dense") + ", constants fitted on all", in_sample[moe], share, spread);
    print_row(std::string(moe ? "MoE" : "dense") + ", GPU held out", held_out[moe], share, spread);
  }
  for (const auto& [label, e] : by_gpu) print_row(label, e, share, spread);
}

void print_constants(SpeedConstants& c)
{
  const auto list = [](const char* name, std::span<const double> values) {
    std::printf("    c.%s = {", name);
    for (std::size_t i = 0; i < values.size(); ++i) std::printf("%s%.3g", i ? ", " : "", values[i]);
    std::printf("};\n");
  };
  std::printf("    c.bandwidth_share = %.3g;\n", c.bandwidth_share);
  list("bandwidth_class", c.bandwidth_class);
  list("unpack", c.unpack);
  list("unpack_class", c.unpack_class);
  std::printf("    c.layer = %.3g;\n    c.moe_layer = %.3g;\n    c.recurrent_layer = %.3g;\n    c.token = %.3g;\n", c.layer,
              c.moe_layer, c.recurrent_layer, c.token);
  list("launch_class", c.launch_class);
  std::printf("    c.cache_share = %.3g;\n    c.cache_share_no_fa = %.3g;\n", c.cache_share, c.cache_share_no_fa);
  list("matrix_share", c.matrix_share);
  std::printf("    c.fill = %.3g;\n", c.fill);
  std::printf("    c.moe_matrix_share = %.3g;\n    c.prompt_layer = %.3g;\n", c.moe_matrix_share, c.prompt_layer);
}

}  // namespace

int main()
{
  const auto runs = read_samples(std::cin, std::cout);
  std::vector<Sample> shallow, deep, prompts;
  for (const auto& s : runs) {
    if (s.core && s.tg > 0) shallow.push_back(s);
    if (s.tg > 0 && s.depth > 1500) deep.push_back(s);
    if (s.pp > 0 && s.n_prompt >= 128 && s.depth <= 2048) prompts.push_back(s);
  }
  shallow = medians(std::move(shallow));
  deep = medians(std::move(deep));
  prompts = medians(std::move(prompts));

  const auto prior = speed_priors();
  const auto generation = generation_knobs();
  std::vector<const Sample*> for_fit;
  for (const auto& s : shallow) for_fit.push_back(&s);
  for (const auto& s : deep) for_fit.push_back(&s);
  auto constants = fit(for_fit, prior, generation, generation_error);

  const auto prompt = prompt_knobs();
  std::vector<const Sample*> prompt_fit;
  for (const auto& s : prompts) prompt_fit.push_back(&s);
  const auto prompt_prior = constants;
  constants = fit(prompt_fit, constants, prompt, prompt_error);
  print_constants(constants);

  cross_validate("Text generation, shallow", shallow, prior, generation, generation_error, 0.20, k_gpu_spread, constants);
  cross_validate("Text generation, deep", deep, constants, generation, generation_error, 0.20, k_gpu_spread, constants);
  cross_validate("Prompt", prompts, prompt_prior, prompt, prompt_error, 0.35, k_prompt_spread, constants);
}
