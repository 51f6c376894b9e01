#pragma once

#include <string>

#include "canirun/core/model.hpp"
#include "canirun/core/placement.hpp"
#include "canirun/core/workload.hpp"

namespace canirun {

struct CommandRequest {
  const ModelSpec& model;
  std::string file;  ///< Path of the model file, or a name that says which one is meant.
  const Workload& workload;
  const Placement& placement;
  const HardwareProfile& hardware;
};

/// A llama-server command line that runs the model as it was graded. Flags at llama.cpp's defaults are left out, and a word that a
/// POSIX shell would split or expand is quoted.
std::string llama_server_command(const CommandRequest& request);

}  // namespace canirun
