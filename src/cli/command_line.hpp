#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/result.hpp"
#include "options.hpp"

/// \file
/// Arguments → Options. The only file that includes CLI11 is its source.

namespace canirun {

/// llama.cpp's flags of several letters after one dash ("-ngl") as the long ones; `-fa` without a value is "on".
std::vector<std::string> expand_llama_flags(std::span<const std::string> arguments);

/// What stdout must hold even if the arguments are wrong.
enum class ErrorDocument { none, json, ndjson };
ErrorDocument error_document(std::span<const std::string> arguments);

Result<Options> parse_command_line(std::span<const std::string> arguments);

/// What `-h` prints: at most 24 lines.
std::string brief_help();
/// What `--help` prints: every option of the command in its group.
std::string full_help(Command command);

/// Every command and every option with its help, for completions and the manual.
struct FlagInfo {
  std::string names;  ///< "-c --ctx --ctx-size".
  std::string help;
  std::string group;  ///< The heading it stands under.
  std::string value;  ///< "N"; empty for a flag.
};
std::vector<FlagInfo> all_flags();
std::vector<std::string> command_names();
std::string_view command_help(std::string_view name);

/// The parts of a list with commas, without empty ones.
std::vector<std::string> split_list(std::string_view text);

/// The nearest of `known` to `typed`, or "" when none is near.
std::string nearest_name(std::string_view typed, std::span<const std::string> known);

}  // namespace canirun
