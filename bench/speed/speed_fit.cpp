#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <set>

#include "fit.hpp"

/// \file
/// Fits the constants of the speed law to measurements and says how well they hold on hardware and model families that they were
/// not fitted on.
///
///   zcat speed.jsonl.gz | cat - bench/speed/public_runs.jsonl | speed_fit [--runs]
///
/// Prints the constants as src/core/speed_constants.cpp has them, then errors in sample, with each GPU and with each family of models
/// held out in turn; then those of several GPUs and of the CPU, on which nothing is fitted here. `--runs` also prints each run.

namespace {

using namespace canirun;

/// How far estimates are from measurements, as logarithms of estimate over measurement.
struct Errors {
  std::vector<double> logs;

  double share(auto holds) const
  {
    return static_cast<double>(std::ranges::count_if(logs, holds)) / static_cast<double>(std::max<std::size_t>(1, logs.size()));
  }
  double within(double part) const
  {
    return share([&](double e) { return std::abs(std::exp(e) - 1) <= part; });
  }
  /// Share of measurements within the range that is reported.
  double covered(Spread spread) const
  {
    return share([&](double e) { return std::exp(-e) >= spread.low && std::exp(-e) <= spread.high; });
  }
  double quantile(double q) const
  {
    if (logs.empty()) return 0;
    auto sorted = logs;
    std::ranges::sort(sorted);
    return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
  }
  double median_factor() const
  {
    Errors absolute;
    for (const auto e : logs) absolute.logs.push_back(std::abs(e));
    return std::exp(absolute.quantile(0.5));
  }
};

/// A kind of measurement: what is said of it and which of the fitted samples belong to it.
struct Kind {
  const char* title;
  double share;  ///< The share of the measurement that an estimate should be within.
  Spread spread;
  bool (*includes)(const Sample&);
  bool devices = true;  ///< A row for each of them.
};

void print_head(const Kind& kind)
{
  std::printf(
      "\n**%s**\n\n| | runs | median estimate/measured | median factor off | within %.0f %% | measured/estimate, 5th to 95th | "
      "within the range |\n|---|---|---|---|---|---|---|\n",
      kind.title, 100 * kind.share);
}

void print_row(const std::string& label, const Errors& e, const Kind& kind)
{
  std::printf("| %s | %zu | x%.2f | x%.3f | %.0f %% | %.2f to %.2f | %.0f %% |\n", label.c_str(), e.logs.size(),
              std::exp(e.quantile(0.5)), e.median_factor(), 100 * e.within(kind.share), std::exp(-e.quantile(0.95)),
              std::exp(-e.quantile(0.05)), 100 * e.covered(kind.spread));
}

/// Errors of every sample with constants that were fitted without those it shares `group` with.
std::vector<double> held_out(const Fit& how, std::span<const Sample* const> samples, std::string Sample::*group)
{
  std::map<std::string, SpeedConstants> constants;
  std::vector<double> errors;
  for (const auto* s : samples) {
    auto it = constants.find(s->*group);
    if (it == constants.end()) {
      std::vector<const Sample*> others;
      std::ranges::copy_if(samples, std::back_inserter(others), [&](const Sample* o) { return o->*group != s->*group; });
      it = constants.emplace(s->*group, fit(how, others)).first;
    }
    errors.push_back(how.error(*s, it->second));
  }
  return errors;
}

constexpr std::size_t k_runs_of_a_row = 3;  // devices with fewer are in the totals only

void report(const Fit& how, std::span<const Sample* const> samples, const SpeedConstants& fitted, std::span<const Kind> kinds,
            bool runs)
{
  const auto by_device = held_out(how, samples, &Sample::device);
  const auto by_family = held_out(how, samples, &Sample::family);
  for (const auto& kind : kinds) {
    std::map<bool, Errors> in_sample, without_device, without_family;
    std::map<std::string, Errors> devices;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto& s = *samples[i];
      if (!kind.includes(s)) continue;
      in_sample[s.moe].logs.push_back(how.error(s, fitted));
      without_device[s.moe].logs.push_back(by_device[i]);
      without_family[s.moe].logs.push_back(by_family[i]);
      devices[s.device + (s.moe ? " MoE " : " dense ") + std::string(name(s.backend))].logs.push_back(by_device[i]);
      if (runs) {
        std::printf("run %s %s %s %s %s depth %.0f prompt %.0f after %.0f: %.2f %.2f %.2f\n", kind.title, s.device.c_str(),
                    std::string(name(s.backend)).c_str(), s.model.c_str(), s.quant.c_str(), s.depth, s.prompt.n, s.prompt.before,
                    std::exp(how.error(s, fitted)), std::exp(by_device[i]), std::exp(by_family[i]));
      }
    }
    print_head(kind);
    for (const bool moe : {false, true}) {
      const std::string what = moe ? "MoE" : "dense";
      print_row(what + ", constants fitted on all", in_sample[moe], kind);
      print_row(what + ", GPU held out", without_device[moe], kind);
      print_row(what + ", model family held out", without_family[moe], kind);
    }
    for (const auto& [label, e] : devices) {
      if (kind.devices && e.logs.size() >= k_runs_of_a_row) print_row(label, e, kind);
    }
  }
}

void report_cpu(std::span<const Sample> samples, const SpeedConstants& c, bool runs)
{
  for (const bool prompts : {false, true}) {
    const Kind kind{prompts ? "CPU, prompt" : "CPU, text generation", prompts ? 0.35 : 0.2,
                    prompts ? k_prompt_spread : k_assumed_spread, nullptr};
    Errors all;
    std::map<std::string, Errors> cpus;
    for (const auto& s : samples) {
      if (!s.on_cpu || (prompts ? s.pp <= 0 || s.prompt.n < 128 : s.tg <= 0)) continue;
      const auto e = (prompts ? prompt_error : generation_error)(s, c);
      if (runs) {
        std::printf("run %s %s %s %s depth %.0f prompt %.0f: %.2f\n", kind.title, s.device.c_str(), s.model.c_str(),
                    s.quant.c_str(), s.depth, s.prompt.n, std::exp(e));
      }
      all.logs.push_back(e);
      cpus[s.device + (s.cpu.assumed ? ", bandwidth assumed" : ", bandwidth measured")].logs.push_back(e);
    }
    print_head(kind);
    print_row("all", all, kind);
    for (const auto& [cpu, e] : cpus) print_row(cpu, e, kind);
  }
}

/// Equal GPUs that hold layers one after the other: nothing is fitted on them.
void report_several(std::span<const Sample> samples, const SpeedConstants& c, bool runs)
{
  for (const bool prompts : {false, true}) {
    const Kind kind{prompts ? "Several GPUs, prompt" : "Several GPUs, text generation", prompts ? 0.35 : 0.2,
                    prompts ? k_prompt_spread : k_gpu_spread, nullptr};
    std::vector<Sample> some;
    for (const auto& s : samples) {
      if (s.n_gpus > 1 && (prompts ? s.pp > 0 && s.prompt.n >= 128 : s.tg > 0)) some.push_back(s);
    }
    std::map<std::string, Errors> rows;
    for (const auto& s : medians(std::move(some), prompts ? &Sample::pp : &Sample::tg)) {
      const auto e = (prompts ? prompt_error : generation_error)(s, c);
      if (runs) {
        std::printf("run %s %zu %s %s %s depth %.0f: %.2f\n", kind.title, s.n_gpus, s.device.c_str(), s.model.c_str(),
                    s.quant.c_str(), s.depth, std::exp(e));
      }
      rows[" all"].logs.push_back(e);
      rows[std::to_string(s.n_gpus) + " x " + s.device].logs.push_back(e);
    }
    print_head(kind);
    for (const auto& [label, e] : rows) print_row(label.starts_with(' ') ? "all" : label, e, kind);
  }
}

void print_constants(const SpeedConstants& c)
{
  const auto one = [](const char* name, double value) { std::printf("    c.%s = %.3g;\n", name, value); };
  const auto list = [](const char* name, std::span<const double> values) {
    std::printf("    c.%s = {", name);
    for (std::size_t i = 0; i < values.size(); ++i) std::printf("%s%.3g", i ? ", " : "", values[i]);
    std::printf("};\n");
  };
  one("bandwidth_share", c.bandwidth_share);
  list("bandwidth_class", c.bandwidth_class);
  one("shared_memory", c.shared_memory);
  list("unpack", c.unpack);
  list("unpack_class", c.unpack_class);
  one("layer", c.layer);
  one("moe_layer", c.moe_layer);
  one("recurrent_layer", c.recurrent_layer);
  one("token", c.token);
  list("launch_class", c.launch_class);
  one("cache_share", c.cache_share);
  one("cache_share_no_fa", c.cache_share_no_fa);
  one("vulkan_brain_experts", c.vulkan_brain_experts);
  one("attention_share", c.attention_share);
  list("matrix_share", c.matrix_share);
  list("matrix_family", c.matrix_family);
  one("vulkan_brain", c.vulkan_brain);
  one("fill", c.fill);
  list("expert_tokens", c.expert_tokens);
  list("prompt_attention", c.prompt_attention);
  one("prompt_scan", c.prompt_scan);
  one("prompt_layer", c.prompt_layer);
}

std::vector<const Sample*> pointers(std::span<const Sample> samples)
{
  std::vector<const Sample*> all;
  for (const auto& s : samples) all.push_back(&s);
  return all;
}

}  // namespace

int main(int argc, char** argv)
{
  const bool print_runs = argc > 1 && std::strcmp(argv[1], "--runs") == 0;
  const auto runs = read_samples(std::cin, std::cout);
  std::vector<Sample> generated, prompts;
  for (const auto& s : runs) {
    if (s.on_cpu || s.n_gpus > 1) continue;
    if (s.tg > 0 && (s.core || s.depth > k_deep)) generated.push_back(s);
    if (s.pp > 0 && s.prompt.n >= 128) prompts.push_back(s);
  }
  generated = medians(std::move(generated), &Sample::tg);
  prompts = medians(std::move(prompts), &Sample::pp);

  // People who measure the same generation agree within a tenth, the same prompt within a third: builds differ that much.
  const Fit generation{generation_knobs(), generation_error, 0.12, 0.008, speed_priors()};
  auto constants = fit(generation, pointers(generated));
  const Fit prompt{prompt_knobs(), prompt_error, 0.3, 0.016, constants};
  constants = fit(prompt, pointers(prompts));
  print_constants(constants);

  const auto all = [](const Sample&) { return true; };
  const Kind generation_kinds[] = {
      {"Text generation, all depths", 0.20, k_gpu_spread, all, false},
      {"Text generation, shallow", 0.20, k_gpu_spread, [](const Sample& s) { return s.depth <= k_deep; }},
      {"Text generation, deep", 0.20, k_gpu_spread, [](const Sample& s) { return s.depth > k_deep; }}};
  report(generation, pointers(generated), constants, generation_kinds, print_runs);
  const Kind prompt_kinds[] = {
      {"Prompt, all lengths", 0.35, k_prompt_spread, all, false},
      {"Prompt", 0.35, k_prompt_spread, [](const Sample& s) { return s.prompt.n + s.prompt.before <= 4096; }},
      {"Prompt, long or after a long context", 0.35, k_prompt_spread,
       [](const Sample& s) { return s.prompt.n + s.prompt.before > 4096; }}};
  report(prompt, pointers(prompts), constants, prompt_kinds, print_runs);
  report_several(runs, speed_constants(), print_runs);
  report_cpu(runs, speed_constants(), print_runs);
}
