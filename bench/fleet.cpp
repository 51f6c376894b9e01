// fleet CANIRUN [CLASSES [PROFILES...]]: time and memory of `canirun fleet - --all` over machines as a company has them: CLASSES kinds
// (40), 1000, 2000 ... 10000 machines. Machines of one kind differ in what is theirs: a few MiB of RAM, free memory, addresses, versions.
// Times are those of the processor (user + system), which other load on the machine hardly changes.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <random>
#include <spawn.h>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "canirun/core/hardware_json.hpp"
#include "canirun/formats/gpu_table.hpp"

using namespace canirun;

namespace {

constexpr std::array k_cards{"RTX 3060 12GB", "RTX 3090", "RTX 4090", "RTX 5090", "L40S", "A100 80GB", "H100 80GB", "RX 7900 XTX", "RTX 4060 Ti 16GB", ""};
constexpr std::array<std::uint64_t, 6> k_ram_gib{16, 32, 64, 128, 256, 512};
constexpr std::array<std::uint32_t, 5> k_cores{8, 16, 24, 32, 64};
constexpr std::array<int, 3> k_counts{1, 2, 4};

/// Kind `i` of the company: cards and their number, RAM and cores go round at different paces, so that no two kinds are the same.
HardwareProfile kind(std::size_t i, const GpuTable& table)
{
  HardwareProfile p;
  p.host.os = "Debian GNU/Linux 12 (bookworm)";
  p.host.arch = "x86_64";
  p.cpu.model = "AMD EPYC 7763";
  const auto round = i / k_cards.size();
  p.cpu.physical_cores = p.cpu.usable_cores = k_cores[(i + round) % k_cores.size()];
  p.cpu.logical_cores = 2 * *p.cpu.physical_cores;
  p.cpu.isa = {"avx2", "fma", "f16c", "bmi2"};
  p.memory.total = Bytes{k_ram_gib[round % k_ram_gib.size()] << 30};
  const std::string card = k_cards[i % k_cards.size()];
  if (card.empty()) return p;
  const auto match = table.lookup(card, std::nullopt);
  if (!match) {
    fmt::print(stderr, "fleet: {}\n", match.error().message);
    std::exit(2);
  }
  p.gpus.assign(static_cast<std::size_t>(k_counts[round / k_ram_gib.size() % k_counts.size()]), match->gpus.front());
  for (auto& gpu : p.gpus) gpu.from_table = false;
  return p;
}

std::string write_profiles(std::size_t n, std::size_t kinds, const GpuTable& table)
{
  std::string path = "/tmp/canirun-fleet-XXXXXX";
  const int fd = mkstemp(path.data());
  std::FILE* file = fd < 0 ? nullptr : fdopen(fd, "w");
  if (!file) std::exit(3);
  std::mt19937 random(42);
  for (std::size_t i = 0; i < n; ++i) {
    auto p = kind(i % kinds, table);
    p.host.kernel = fmt::format("6.1.{}", random() % 40);
    p.host.name = fmt::format("node-{}", i);
    p.memory.total->count -= random() % (4u << 20);
    p.memory.available = Bytes{p.memory.total->count / 2 + random() % (1u << 30)};
    for (auto& gpu : p.gpus) {
      gpu.pci_address = fmt::format("0000:{:02x}:00.0", random() % 255);
      gpu.driver = fmt::format("550.{}", random() % 200);
      gpu.memory_free = gpu.memory_total;
      gpu.memory_free->value *= 0.9;
    }
    fmt::print(file, "{}\n", to_json(p).dump());
  }
  std::fclose(file);
  return path;
}

struct Cost {
  double seconds = 0;
  double mib = 0;
};

Cost run(const std::string& program, const std::string& profiles)
{
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, profiles.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<std::string> words{program, "fleet", "-", "--all", "--format", "csv"};
  std::vector<char*> arguments;
  for (auto& w : words) arguments.push_back(w.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ) != 0) std::exit(3);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  rusage use{};
  if (wait4(child, &status, 0, &use) < 0 || status != 0) {
    fmt::print(stderr, "fleet: {} failed\n", program);
    std::exit(3);
  }
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return {seconds(use.ru_utime) + seconds(use.ru_stime), static_cast<double>(use.ru_maxrss) / 1024};
}

}  // namespace

int main(int argc, char** argv)
{
  if (argc < 2) {
    fmt::print(stderr, "usage: fleet CANIRUN [CLASSES [PROFILES...]]\n");
    return 2;
  }
  const auto kinds = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 40;
  std::vector<std::size_t> sizes;
  for (int i = 3; i < argc; ++i) sizes.push_back(std::strtoull(argv[i], nullptr, 10));
  if (sizes.empty()) {
    for (std::size_t n = 1000; n <= 10000; n += 1000) sizes.push_back(n);
  }
  const auto table = GpuTable::builtin();
  if (!table || kinds == 0) return 2;
  fmt::print("{:>9} {:>8} {:>14} {:>10}\n", "profiles", "classes", "processor, s", "peak, MiB");
  for (const auto n : sizes) {
    const auto profiles = write_profiles(n, kinds, *table);
    const auto cost = run(argv[1], profiles);
    unlink(profiles.c_str());
    fmt::print("{:>9} {:>8} {:>14.1f} {:>10.0f}\n", n, std::min<std::size_t>(n, kinds), cost.seconds, cost.mib);
    std::fflush(stdout);
  }
  return 0;
}
