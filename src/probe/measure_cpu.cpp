#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <cstdlib>
#include <ctime>
#include <latch>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "probe/measure.hpp"

namespace canirun {

namespace {

constexpr std::size_t k_rounds = 3;
constexpr double k_round_seconds = 0.010;
constexpr std::size_t k_slice_min = 4U << 20U;  // above any private cache

double thread_seconds()
{
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double wall_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Sums a slice as eight streams at once, so that the processor keeps several cache lines on their way.
std::uint64_t read_once(const std::uint64_t* data, std::size_t words)
{
  const std::size_t part = words / 8;
  std::array<std::uint64_t, 8> sums{};
  for (std::size_t i = 0; i + 8 <= part; i += 8) {
    for (std::size_t stream = 0; stream < 8; ++stream) {
      const auto* line = data + stream * part + i;  // one cache line of 64 bytes
      sums[stream] += line[0] ^ line[1] ^ line[2] ^ line[3] ^ line[4] ^ line[5] ^ line[6] ^ line[7];
    }
  }
  std::uint64_t all = 0;
  for (const auto sum : sums) all += sum;
  return all;
}

struct Round {
  double bytes_per_second = 0, cpu = 0, wall = 0;
};

}  // namespace

std::optional<CpuBandwidth> measure_cpu_bandwidth(std::uint32_t threads, std::optional<Bytes> available)
{
  threads = std::clamp(threads, 1U, 256U);
  const long llc = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  const auto wanted = std::max<std::size_t>(64U << 20U, 2 * static_cast<std::size_t>(std::max(llc, 0L)));
  const auto slice = std::max(k_slice_min, std::min<std::size_t>(wanted, 256U << 20U) / threads);
  if (available && available->count / 2 < slice * threads) return std::nullopt;
  std::vector<std::array<Round, k_rounds>> results(threads);
  std::atomic<std::uint64_t> sink{0};
  std::barrier together(static_cast<std::ptrdiff_t>(threads));
  std::latch all_started(1);
  bool cancelled = false;
  const std::size_t words = slice / sizeof(std::uint64_t);
  std::vector<std::unique_ptr<std::uint64_t[]>> slices;
  for (std::uint32_t i = 0; i < threads; ++i) slices.push_back(std::make_unique_for_overwrite<std::uint64_t[]>(words));
  const auto work = [&](std::size_t index) {
    all_started.wait();
    if (cancelled) return;
    auto* const data = slices[index].get();
    for (std::size_t i = 0; i < words; ++i) data[i] = i;  // the thread's own touch puts the pages on its NUMA node
    for (std::size_t r = 0; r < k_rounds; ++r) {
      together.arrive_and_wait();
      const double cpu0 = thread_seconds(), wall0 = wall_seconds();
      std::size_t passes = 0;
      double cpu = 0;
      do {
        sink += read_once(data, words);
        ++passes;
        cpu = thread_seconds() - cpu0;
      } while (cpu < k_round_seconds);
      results[index][r] = {static_cast<double>(passes * words * sizeof(std::uint64_t)) / cpu, cpu, wall_seconds() - wall0};
    }
  };
  std::vector<std::thread> team;
  try {
    for (std::uint32_t i = 0; i < threads; ++i) team.emplace_back(work, i);
  } catch (const std::system_error&) {
    cancelled = true;  // fewer threads than cores would measure something else
  }
  all_started.count_down();
  for (auto& thread : team) thread.join();
  if (cancelled) return std::nullopt;
  std::array<Round, k_rounds> rounds{};
  for (std::size_t r = 0; r < k_rounds; ++r) {
    for (const auto& result : results) {
      rounds[r].bytes_per_second += result[r].bytes_per_second;
      rounds[r].cpu += result[r].cpu;
      rounds[r].wall += result[r].wall;
    }
  }
  std::ranges::sort(rounds, {}, &Round::bytes_per_second);
  const auto& median = rounds[k_rounds / 2];
  return CpuBandwidth{median.bytes_per_second, median.wall > 0 ? median.cpu / median.wall : 0};
}

}  // namespace canirun
