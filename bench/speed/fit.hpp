#pragma once

#include <functional>
#include <span>

#include "samples.hpp"

/// \file
/// Fits constants of the law to samples: a bounded loss plus what it costs to leave the priors.

namespace canirun {

/// One constant that is fitted: how far from its prior it is believed to be (standard deviation of the logarithm).
struct Knob {
  std::function<double&(SpeedConstants&)> get;
  double tolerance = 1;
};
std::vector<Knob> generation_knobs();
std::vector<Knob> prompt_knobs();

/// Logarithm of estimate over measurement, of generated tokens and of prompts.
using Misfit = double (*)(const Sample&, const SpeedConstants&);
double generation_error(const Sample& s, const SpeedConstants& c);
double prompt_error(const Sample& s, const SpeedConstants& c);

/// What is fitted together. `scale`: errors well beyond it are outliers and pull less (Cauchy).
struct Fit {
  std::vector<Knob> knobs;
  Misfit error;
  double scale;
  double prior_weight;  ///< Of a constant that is one standard deviation off, in units of the mean loss; by cross-validation.
  SpeedConstants prior;
};
SpeedConstants fit(const Fit& how, std::span<const Sample* const> samples);

}  // namespace canirun
