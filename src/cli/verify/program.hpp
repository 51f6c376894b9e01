#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// \file
/// Programs of others that are found and run: no shell, a deadline, an end to what they may print.

namespace canirun {

struct FoundProgram {
  std::string path;          ///< Empty = there is none.
  std::string not_runnable;  ///< The first file of that name that may not be executed.
};
/// In `folder` (itself, its bin and its build/bin), which may be empty, then in the absolute folders of `path`, separated by ':'.
FoundProgram find_program(std::string_view name, const std::string& folder, std::string_view path);

struct ProgramOutput {
  enum class End { exited, signalled, timed_out, too_much, not_started };
  End end = End::exited;
  int status = 0;   ///< Exit status, signal or errno.
  std::string out;  ///< Standard output.
  std::string err;  ///< The end of standard error.

  bool ok() const { return end == End::exited && status == 0; }
};

struct RunLimits {
  std::chrono::milliseconds deadline{300'000};
  std::size_t output = 1u << 20;  ///< Bytes of standard output; more ends the program.
};

/// Runs `words[0]` with the others as arguments and waits for it. Standard input is empty, the environment has only what finds
/// libraries and devices, and the program and all it started are gone on return.
ProgramOutput run_program(const std::vector<std::string>& words, const RunLimits& limits);

/// In words: "status 1", "signal 11", "no answer in 300 s".
std::string fate(const ProgramOutput& output, const RunLimits& limits);

}  // namespace canirun
