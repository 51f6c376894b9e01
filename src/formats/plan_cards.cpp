#include "canirun/formats/plan_cards.hpp"

namespace canirun {

std::vector<PlanCard> plan_cards(const GpuTable& table)
{
  std::vector<PlanCard> cards;
  for (const auto& entry : table.entries()) {
    if (entry.dies > 1) continue;
    for (const auto gib : entry.vram_gib) {
      const Bytes vram{static_cast<std::uint64_t>(gib * static_cast<double>(std::uint64_t{1} << 30))};
      cards.push_back({entry.id, entry.name, to_gpu(entry, vram)});
    }
  }
  return cards;
}

}  // namespace canirun
