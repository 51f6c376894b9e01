// plan_time [stride]: processor time of a plan over the whole GPU table, for every model of the catalogue (or each stride-th).

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <fmt/core.h>

#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/plan_cards.hpp"

using namespace canirun;

int main(int argc, char** argv)
{
  const auto catalogue = Catalogue::builtin();
  const auto table = GpuTable::builtin();
  if (!catalogue || !table) return 2;
  const auto cards = plan_cards(*table);
  HardwareProfile host;
  host.cpu.physical_cores = 8;
  host.cpu.isa = {"avx2"};
  host.memory.total = Bytes{std::uint64_t{64} << 30};
  Question question;
  question.workload.n_ctx = 8192;

  std::vector<std::pair<double, std::string>> times;
  const auto stride = argc > 1 ? std::max(1UL, std::strtoul(argv[1], nullptr, 10)) : 1UL;
  for (std::size_t i = 0; i < catalogue->entries().size(); i += stride) {
    const auto& spec = catalogue->entries()[i].spec;
    if (spec.kind != ModelKind::text || unplannable(spec)) continue;
    const auto start = std::clock();
    plan_hardware(spec, FileType::Q4_K_M, question, {}, host, cards);
    times.emplace_back(1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, spec.id);
  }
  if (times.empty()) return 2;
  std::ranges::sort(times);
  const auto at = [&](double q) { return times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1))]; };
  fmt::print("{} cards, {} models: median {:.1f} ms, 95th of 100 {:.1f} ms, slowest {:.1f} ms ({})\n", cards.size(), times.size(),
             at(0.5).first, at(0.95).first, times.back().first, times.back().second);
}
