#pragma once

#include <optional>
#include <span>
#include <string>

#include "canirun/core/report.hpp"

/// \file
/// Runs that were measured on this machine (`canirun verify --save`) and what they say about estimates of the same model.

namespace canirun {

struct ModelSpec;

/// How fast a run was, as factors of its estimate: they hold at other depths and contexts, which the estimate knows.
struct MeasuredRun {
  std::string model;  ///< shape_key of the model.
  std::string quant;  ///< As rows print it.
  Placement::Mode mode = Placement::Mode::gpu;
  double generation_factor = 1;  ///< measured / estimated tokens a second.
  std::optional<double> prompt_factor;
};

/// What tells models apart for speed: architecture and shapes. A file and the catalogue's entry of the same model have the same key.
std::string shape_key(const ModelSpec& model);

/// Rows of the same model, quantisation and placement mode get the measured rate, `basis: measured` and the grade that follows; the best row
/// is chosen again. The last run of several counts.
void apply_measured(ModelReport& report, const ModelSpec& model, std::span<const MeasuredRun> runs);

}  // namespace canirun
