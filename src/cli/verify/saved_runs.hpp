#pragma once

#include <string>
#include <vector>

#include "canirun/core/hardware.hpp"
#include "canirun/core/measured_run.hpp"
#include "canirun/core/result.hpp"

/// \file
/// Measured runs, kept for each machine in one file (canirun.runs/1): $XDG_CACHE_HOME/canirun/runs.json, else ~/.cache/canirun/runs.json.

namespace canirun {

/// Empty when neither folder is known.
std::string saved_runs_file();
/// What tells machines apart for a run: processor, cores, cards.
std::string machine_key(const HardwareProfile& hardware);

/// A factor that a measurement can have; what is beyond was another machine, or no measurement.
bool is_plausible_factor(double factor);

/// The runs of this machine; none when there is no file, or one that is something else.
std::vector<MeasuredRun> load_runs(const std::string& file, const HardwareProfile& hardware);
/// Adds a run, in place of one of the same model, quantisation and mode. Errors: unavailable.
Result<void> save_run(const std::string& file, const HardwareProfile& hardware, const MeasuredRun& run);

}  // namespace canirun
