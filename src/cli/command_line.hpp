#pragma once

#include <span>
#include <string>
#include <vector>

#include "canirun/core/result.hpp"
#include "options.hpp"

/// \file
/// Arguments → Options. The options themselves: option_table.cpp.

namespace canirun {

/// llama.cpp's flags of several letters after one dash ("-ngl") as the long ones; `-fa` without a value is "on".
std::vector<std::string> expand_llama_flags(std::span<const std::string> arguments);

/// What stdout must hold even if the arguments are wrong.
enum class ErrorDocument { none, json, ndjson };
ErrorDocument error_document(std::span<const std::string> arguments);

Result<Options> parse_command_line(std::span<const std::string> arguments);

}  // namespace canirun
