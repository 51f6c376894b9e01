#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "speed_law.hpp"

/// \file
/// Measurements of speed as the law sees them: JSON lines (one run each) joined with the catalogue and the GPU table.

namespace canirun {

/// One measured run, or the median of several alike.
struct Sample {
  std::string device;  ///< Id of the GPU table, or the name of a CPU.
  std::string model, family, quant;
  Backend backend = Backend::cuda;
  bool on_cpu = false;
  std::size_t n_gpus = 1;  ///< Equal ones, layers divided evenly.
  bool moe = false;
  bool core = false;  ///< Fit for figures of accuracy: one GPU, wholly offloaded, mainline, shallow.
  bool flash_attn = true;
  std::string cache;              ///< Types of keys and values; empty = f16.
  double depth = 0;               ///< Mean tokens in the cache while generating.
  double tg = 0;                  ///< Tokens a second, measured; 0 = none.
  double pp = 0;                  ///< Of the prompt; 0 = none.
  Prompt prompt;                  ///< Of `pp`.
  TokenWork work;                 ///< Of the first GPU, or of the CPU, …
  std::vector<TokenWork> others;  ///< … of each other GPU.
  GpuRates gpu;
  CpuRates cpu;
};

inline constexpr double k_deep = 1500;  ///< Tokens in the cache from which a run counts as deep.

/// Reads the runs that can be modelled and says how many others there are, by reason.
std::vector<Sample> read_samples(std::istream& in, std::ostream& log);

/// Medians of `rate` over runs of the same device, backend, model, quantisation, flash attention, cache types and (within a factor of
/// two) depth.
std::vector<Sample> medians(std::vector<Sample> samples, double Sample::*rate);

/// Seconds that the law says: of one generated token, of the prompt.
double token_seconds(const Sample& s, const SpeedConstants& c);
double prompt_seconds(const Sample& s, const SpeedConstants& c);

/// Constants before any fit, each with its reason.
SpeedConstants speed_priors();

}  // namespace canirun
