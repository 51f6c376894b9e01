#pragma once

#include <sys/types.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/result.hpp"

/// \file
/// Drivers are opened by children of the program, so that one that crashes, hangs or floods its output costs nothing but its own
/// figures (docs/probe.md). A child is this program itself, started as `canirun --probe-child=WHAT`; it writes JSON lines.

namespace canirun {

using Clock = std::chrono::steady_clock;

/// The lines of a child as they arrive. Whatever it writes, what is kept stays within a few times of what it may write in all.
class ChildLines {
 public:
  void add(std::string_view bytes);
  /// Has it said {"done": …}?
  bool done() const { return done_; }
  /// Has it written more than any child of ours does? The rest is not listened to.
  bool flooded() const { return received_ > k_limit; }
  /// The objects it wrote; what is no JSON object on a line of its own is noise.
  std::span<const nlohmann::json> lines() const { return lines_; }

 private:
  static constexpr std::size_t k_limit = 4U << 20U;  ///< 64 GPUs with sixteen heaps each are about 200 KiB.
  bool done_ = false;
  std::size_t received_ = 0;
  std::string partial_;
  std::vector<nlohmann::json> lines_;
};

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
  bool finished() const { return output_.done() || fd_ < 0; }
  /// Did it say that it was done? Otherwise it crashed, was cut off, or still runs.
  bool complete() const { return output_.done(); }
  std::span<const nlohmann::json> lines() const { return output_.lines(); }
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
  ChildLines output_;
};

/// Set in every child, to the id of the process that started it.
inline constexpr const char* k_in_probe_child = "CANIRUN_PROBE_CHILD";

/// What drivers need of this process's environment: their own variables and the loader's, no overlay layers, no reordering, no
/// preloaded libraries, nothing of other programs.
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
