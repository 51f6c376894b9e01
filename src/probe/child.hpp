#pragma once

#include <sys/types.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "canirun/core/result.hpp"

/// \file
/// Drivers are opened by children of the program, so that one that crashes, hangs or floods its output costs nothing but its own
/// figures (docs/probe.md). A child is this program itself, started as `canirun --probe-child=WHAT`; it writes JSON lines.

namespace canirun {

using Clock = std::chrono::steady_clock;

class ChildProcess {
 public:
  /// Starts `--probe-child=what` in a process group of its own, standard input and error on /dev/null. `unavailable` when the
  /// program cannot start itself.
  static Result<ChildProcess> start(const std::string& what, const std::vector<std::string>& environment);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();  ///< Kills the whole group; never waits for it.

  /// Has it written its last line, or closed its output?
  bool finished() const { return done_ || fd_ < 0; }
  /// Did it say that it was done? Otherwise it crashed, was cut off, or still runs.
  bool complete() const { return done_; }
  std::span<const nlohmann::json> lines() const { return lines_; }
  /// "signal 11", "status 1", "still running"; meaningful once it is not complete.
  std::string fate();

  /// Reads from all children until every one has finished or the deadline has passed.
  static void collect(std::span<ChildProcess*> children, Clock::time_point deadline);

 private:
  ChildProcess(pid_t pid, int fd) : pid_(pid), fd_(fd) {}
  void read_some();
  void close_output();

  pid_t pid_ = -1;
  int fd_ = -1;
  bool done_ = false;
  std::size_t received_ = 0;
  std::string partial_;
  std::vector<nlohmann::json> lines_;
};

/// Set in every child, to the id of the process that started it.
inline constexpr const char* k_in_probe_child = "CANIRUN_PROBE_CHILD";

/// This process's environment, fit for a child that opens drivers: no overlay layers, no reordering, no preloaded libraries.
/// `changes` are added or replace what is there ("NAME=value"); "NAME" alone removes it.
std::vector<std::string> child_environment(const std::vector<std::string>& changes);

/// Where a child writes. It takes standard output for itself and gives drivers /dev/null instead: some print there.
class ChildOutput {
 public:
  ChildOutput();
  void write(const nlohmann::json& line);
  /// Writes {"done": true} and ends the process at once: drivers that crash when they are unloaded are not unloaded.
  [[noreturn]] void done();

 private:
  int fd_ = -1;
};

/// What the Vulkan child measures after it has told what it knows.
enum class Measure { none, gpus, software_too };

int run_vulkan_child(Measure measure);
int run_nvml_child();
int run_drm_child();

}  // namespace canirun
