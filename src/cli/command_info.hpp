#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

/// \file
/// The commands: what they are called, how, and which options they take.

namespace canirun {

// Headings under which --help lists the options, in this order; an option belongs to one.
inline constexpr auto k_what = "What to look at";
inline constexpr auto k_how = "How it is run (llama.cpp's flags)";
inline constexpr auto k_machine = "On which machine";
inline constexpr auto k_fleet = "Many machines (fleet)";
inline constexpr auto k_requirements = "Requirements (exit status 1 if one is not met)";
inline constexpr auto k_output = "Output";
inline constexpr auto k_other = "Other";

inline constexpr std::array k_groups{k_what, k_how, k_machine, k_fleet, k_requirements, k_output, k_other};

struct CommandInfo {
  Command command;
  std::string_view name;
  std::string_view help;
  std::string_view words = "[options]";  ///< What follows the name.
  std::string_view example = {};
};
/// All but grading, which has no name.
std::span<const CommandInfo> commands();
const CommandInfo* find_command(std::string_view name);

/// "check"; of grading "canirun".
std::string_view command_name(Command command);
std::vector<std::string> command_names();

/// Does a command understand this option ("--ctx") of a group? One that it does not is an error.
bool takes_option(Command command, std::string_view group, std::string_view option);

}  // namespace canirun
