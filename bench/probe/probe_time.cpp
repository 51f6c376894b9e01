// probe_time [RUNS [PROGRAM]]: time of `canirun probe --json`, in turns with what it cannot be faster than. Minimum and median of wall
// time, and processor time of the process with its children.
//   without a GPU: a process that loads hwloc and prints (goal: the whole program within twice of it);
//   with a driver: the program's own child, which only starts that driver (goal: 5 ms on top). The driver is the one that
//   VK_DRIVER_FILES names, else lavapipe, which is no GPU but starts as one.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

struct Times {
  std::vector<double> wall, cpu;  ///< ms
};

double least(const std::vector<double>& values) { return *std::ranges::min_element(values); }

double median(std::vector<double> values)
{
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::vector<char*> pointers(Words& words)
{
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

double processor_ms(const rusage& usage)
{
  const auto ms = [](const timeval& t) { return 1e3 * static_cast<double>(t.tv_sec) + 1e-3 * static_cast<double>(t.tv_usec); };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

/// Runs a command without output; false when it cannot be run.
bool run(Words command, Words environment, Times& times)
{
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  const auto start = std::chrono::steady_clock::now();
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, command[0].c_str(), &actions, nullptr, pointers(command).data(), pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  rusage usage{};
  if (error != 0 || ::wait4(pid, &status, 0, &usage) != pid || status != 0) return false;
  times.wall.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  times.cpu.push_back(processor_ms(usage));
  return true;
}

void row(std::string_view what, const Times& t)
{
  fmt::print("{:<34} {:>9.2f} {:>9.2f} {:>10.2f} {:>10.2f}\n", what, least(t.wall), median(t.wall), least(t.cpu), median(t.cpu));
}

/// Times both commands in turns, so that other programs' load falls on both, and prints them.
bool compare(int runs, std::string_view floor_name, const Words& floor, const Words& program, const Words& environment, bool ratio)
{
  Times a, b;
  for (int i = 0; i < runs; ++i) {
    if (run(floor, environment, a) && run(program, environment, b)) continue;
    fmt::print(stderr, "{} or {} cannot be run\n", floor[0], program[0]);
    return false;
  }
  row(floor_name, a);
  row("canirun probe --json", b);
  if (ratio) {
    fmt::print("{:<34} {:>9.2f} {:>9.2f} {:>10.2f} {:>10.2f}\n", "ratio", least(b.wall) / least(a.wall), median(b.wall) / median(a.wall),
               least(b.cpu) / least(a.cpu), median(b.cpu) / median(a.cpu));
  } else {
    fmt::print("{:<34} {:>9.2f} {:>9.2f} {:>10.2f} {:>10.2f}\n", "difference", least(b.wall) - least(a.wall),
               median(b.wall) - median(a.wall), least(b.cpu) - least(a.cpu), median(b.cpu) - median(a.cpu));
  }
  return true;
}

std::string lavapipe()
{
  std::error_code error;
  for (const auto& file : fs::directory_iterator("/usr/share/vulkan/icd.d", error)) {
    if (file.path().filename().string().starts_with("lvp_icd")) return file.path();
  }
  return {};
}

}  // namespace

int main(int argc, char** argv)
{
  const int runs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 100;
  const auto here = fs::read_symlink("/proc/self/exe").parent_path();
  const std::string program = argc > 2 ? argv[2] : (here.parent_path() / "canirun").string();
  fmt::print("{:<34} {:>9} {:>9} {:>10} {:>10}\n", std::to_string(runs) + " runs, ms", "wall min", "median", "cpu min", "median");
  const Words probe{program, "probe", "--json"}, plain{"PATH=/usr/bin", "HOME=/nonexistent"};
  if (!compare(runs, "a process that loads hwloc", {(here / "hwloc_only").string()}, probe, plain, true)) return 1;
  const char* named = std::getenv("VK_DRIVER_FILES");
  const auto driver = named != nullptr ? std::string(named) : lavapipe();
  if (driver.empty()) {
    fmt::print("no Vulkan driver to start: name one by VK_DRIVER_FILES, or install mesa-vulkan-drivers\n");
    return 0;
  }
  auto with_driver = plain;
  with_driver.insert(with_driver.end(), {"VK_DRIVER_FILES=" + driver, "VK_ICD_FILENAMES=" + driver, "VK_LOADER_LAYERS_DISABLE=~implicit~"});
  return compare(runs, "its child that starts the driver", {program, "--probe-child=vulkan"}, probe, with_driver, false) ? 0 : 1;
}
