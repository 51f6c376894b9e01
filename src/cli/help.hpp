#pragma once

#include <string>
#include <vector>

#include "options.hpp"

namespace canirun {

/// What `-h` prints: at most 24 lines.
std::string brief_help();
/// What `--help` prints: every option of the command in its group.
std::string full_help(Command command);

/// Every option with its help, for completions and the manual.
struct FlagInfo {
  std::string names;  ///< "-c --ctx --ctx-size".
  std::string help;
  std::string group;  ///< The heading it stands under.
  std::string value;  ///< "N"; empty for a flag.
};
std::vector<FlagInfo> all_flags();

}  // namespace canirun
