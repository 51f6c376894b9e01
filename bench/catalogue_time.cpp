// catalogue_time [runs]: how long the compiled-in catalogue and the GPU table take to load, wall time and processor time.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <vector>

#include <fmt/core.h>

#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/gpu_table.hpp"

namespace {

using namespace canirun;

struct Sample {
  double wall_ms = 0, processor_ms = 0;
};

template <typename Load>
Sample measure(Load load)
{
  const auto start = std::chrono::steady_clock::now();
  const auto ticks = std::clock();
  if (!load()) return {};
  return {std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count(),
          1000.0 * static_cast<double>(std::clock() - ticks) / CLOCKS_PER_SEC};
}

template <typename Load>
void report(const char* what, int runs, Load load)
{
  const auto first = measure(load);
  std::vector<double> wall, processor;
  for (int i = 0; i < runs; ++i) {
    const auto sample = measure(load);
    wall.push_back(sample.wall_ms);
    processor.push_back(sample.processor_ms);
  }
  std::ranges::sort(wall);
  std::ranges::sort(processor);
  fmt::print(
      "{:<10} first {:.2f} ms wall, {:.2f} ms processor; of {} more: least {:.2f}, median {:.2f} ms wall, median {:.2f} ms "
      "processor\n",
      what, first.wall_ms, first.processor_ms, runs, wall.front(), wall[wall.size() / 2], processor[processor.size() / 2]);
}

}  // namespace

int main(int argc, char** argv)
{
  int runs = 100;
  if (argc > 1) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), runs);
  if (runs < 1) {
    fmt::print(stderr, "catalogue_time: the number of runs is 1 or more\n");
    return 2;
  }
  report("models", runs, [] { return Catalogue::builtin().has_value(); });
  report("gpus", runs, [] { return GpuTable::builtin().has_value(); });
}
