// probe_time [RUNS [COMMAND...]]: time of a process that probes this machine, against one that only loads hwloc and prints.
// The goal where no GPU is: not more than twice as long. Prints medians of wall time and of processor time, run in turns so that
// other programs' load falls on both.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

extern char** environ;

namespace {

struct Times {
  std::vector<double> wall, cpu;  ///< ms
};

double median(std::vector<double> values)
{
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

/// Runs a command without output; false when it cannot be run.
bool run(std::vector<std::string> command, Times& times)
{
  std::vector<char*> arguments;
  for (auto& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  const auto start = std::chrono::steady_clock::now();
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  rusage usage{};
  if (error != 0 || ::wait4(pid, &status, 0, &usage) != pid || status != 0) return false;
  times.wall.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  const auto ms = [](const timeval& t) { return 1e3 * static_cast<double>(t.tv_sec) + 1e-3 * static_cast<double>(t.tv_usec); };
  times.cpu.push_back(ms(usage.ru_utime) + ms(usage.ru_stime));
  return true;
}

}  // namespace

int main(int argc, char** argv)
{
  const int runs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 100;
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::vector<std::string> floor{(here / "hwloc_only").string()};
  std::vector<std::string> probe{(here / "probe_only").string()};
  if (argc > 2) probe.assign(argv + 2, argv + argc);
  Times a, b;
  for (int i = 0; i < runs; ++i) {
    if (!run(floor, a) || !run(probe, b)) {
      fmt::print(stderr, "{} or {} cannot be run\n", floor[0], probe[0]);
      return 1;
    }
  }
  fmt::print("{:<40} {:>10} {:>14}\n", "median of " + std::to_string(runs) + " runs, ms", "wall", "processor");
  fmt::print("{:<40} {:>10.2f} {:>14.2f}\n", "hwloc only", median(a.wall), median(a.cpu));
  fmt::print("{:<40} {:>10.2f} {:>14.2f}\n", std::filesystem::path(probe[0]).filename().string(), median(b.wall), median(b.cpu));
  fmt::print("{:<40} {:>10.2f} {:>14.2f}\n", "ratio", median(b.wall) / median(a.wall), median(b.cpu) / median(a.cpu));
  return 0;
}
