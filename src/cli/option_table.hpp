#pragma once

#include <CLI/CLI.hpp>

#include "options.hpp"

/// \file
/// Every option of the program: its names, where its value goes, its help. Only what parses or prints them includes CLI11.

namespace canirun {

/// Raised by a value that does not parse; its message is a whole sentence already.
struct BadValue : CLI::ValidationError {
  explicit BadValue(const std::string& flag, const std::string& message) : CLI::ValidationError(flag, message) {}
};

/// The parser: every option is an option of the program, commands only change which are understood. `app` writes into `o`.
void add_everything(CLI::App& app, Options& o);

}  // namespace canirun
