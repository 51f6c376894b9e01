#include "probe/arm_names.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "probe/sysroot.hpp"

namespace canirun {

namespace {

struct Part {
  std::uint64_t implementer, part;
  std::string_view name;
};

// Source: arch/arm64/include/asm/cputype.h of Linux. Strongest first within a maker, so that of two kinds the stronger is named first.
// clang-format off
constexpr std::array k_parts{
    Part{0x41, 0xd8e, "Neoverse-N3"},   Part{0x41, 0xd83, "Neoverse-V3AE"}, Part{0x41, 0xd84, "Neoverse-V3"}, Part{0x41, 0xd4f, "Neoverse-V2"},
    Part{0x41, 0xd49, "Neoverse-N2"},   Part{0x41, 0xd40, "Neoverse-V1"},   Part{0x41, 0xd0c, "Neoverse-N1"}, Part{0x41, 0xd85, "Cortex-X925"},
    Part{0x41, 0xd82, "Cortex-X4"},     Part{0x41, 0xd4e, "Cortex-X3"},     Part{0x41, 0xd48, "Cortex-X2"},   Part{0x41, 0xd44, "Cortex-X1"},
    Part{0x41, 0xd87, "Cortex-A725"},   Part{0x41, 0xd81, "Cortex-A720"},   Part{0x41, 0xd4d, "Cortex-A715"}, Part{0x41, 0xd47, "Cortex-A710"},
    Part{0x41, 0xd42, "Cortex-A78AE"},  Part{0x41, 0xd41, "Cortex-A78"},    Part{0x41, 0xd0d, "Cortex-A77"},  Part{0x41, 0xd0b, "Cortex-A76"},
    Part{0x41, 0xd0a, "Cortex-A75"},    Part{0x41, 0xd09, "Cortex-A73"},    Part{0x41, 0xd08, "Cortex-A72"},  Part{0x41, 0xd07, "Cortex-A57"},
    Part{0x41, 0xd80, "Cortex-A520"},   Part{0x41, 0xd46, "Cortex-A510"},   Part{0x41, 0xd05, "Cortex-A55"},  Part{0x41, 0xd03, "Cortex-A53"},
    Part{0x4e, 0x004, "NVIDIA Carmel"}, Part{0xc0, 0xac3, "Ampere-1"},      Part{0xc0, 0xac4, "Ampere-1A"},   Part{0x51, 0x001, "Qualcomm Oryon"},
    Part{0x48, 0xd01, "HiSilicon TSV110"}, Part{0x6d, 0xd49, "Microsoft Azure Cobalt 100"}, Part{0x46, 0x001, "Fujitsu A64FX"},
};
// clang-format on

}  // namespace

std::string arm_name(std::string_view cpuinfo)
{
  std::array<bool, k_parts.size()> seen{};
  std::uint64_t implementer = 0;
  for (const auto row : split(cpuinfo, '\n')) {
    const auto colon = row.find(':');
    if (colon == std::string_view::npos) continue;
    const auto key = trim(row.substr(0, colon));
    const auto value = parse_number(row.substr(colon + 1)).value_or(0);
    if (key == "CPU implementer") implementer = value;
    if (key != "CPU part") continue;
    for (std::size_t i = 0; i < k_parts.size(); ++i) {
      if (k_parts[i].implementer == implementer && k_parts[i].part == value) seen[i] = true;
    }
  }
  std::string name;
  for (std::size_t i = 0; i < k_parts.size(); ++i) {
    if (!seen[i]) continue;
    name += name.empty() ? "" : " and ";
    name += k_parts[i].name;
  }
  return name;
}

}  // namespace canirun
