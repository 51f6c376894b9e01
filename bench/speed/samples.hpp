#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "speed_law.hpp"

/// \file
/// Measurements of speed as the law sees them: JSON lines (one run each) joined with the catalogue and the GPU table.

namespace canirun {

/// One measured run, or the median of several of the same GPU, backend, model and quantisation.
struct Sample {
  std::string gpu, model, quant;  ///< `gpu` is empty for a run on the CPU, `cpu` then says which.
  std::string cpu;
  Backend backend = Backend::cuda;
  bool moe = false;
  bool core = false;  ///< Fit for figures of accuracy: one GPU, wholly offloaded, mainline, shallow.
  bool flash_attn = true;
  double depth = 0;  ///< Mean tokens in the cache.
  double tg = 0;     ///< Tokens a second, measured; 0 = none.
  double pp = 0;     ///< Of the prompt; 0 = none.
  double n_prompt = 512;
  TokenWork work;
  GpuRates rates;
};

/// Reads the runs that can be modelled; `skipped` counts the others by reason.
std::vector<Sample> read_samples(std::istream& in, std::ostream& log);

/// Medians over runs of the same GPU, backend, model and quantisation.
std::vector<Sample> medians(std::vector<Sample> samples);

/// Constants before any fit, each with its reason.
SpeedConstants speed_priors();

}  // namespace canirun
