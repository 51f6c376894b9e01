#include <nlohmann/json.hpp>

#include "canirun/core/hardware_json.hpp"
#include "canirun/formats/profile.hpp"
#include "exercise.hpp"
#include "probe/child.hpp"
#include "probe/driver_sources.hpp"
#include "probe/merge.hpp"

namespace {

/// A name that a terminal may be shown as it is.
bool harmless(std::string_view text)
{
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

}  // namespace

/// Whatever a child writes, the machine that comes out is a profile that can be written and read again. The first byte says how
/// large the pieces are in which the rest arrives.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  if (size == 0) return 0;
  const std::size_t piece = 1U + data[0] * 16U;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  canirun::ChildLines child;
  while (!bytes.empty() && !child.flooded()) {
    child.add(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  const std::vector facts{canirun::vulkan_facts(child.lines()), canirun::nvml_facts(child.lines())};
  const auto machine = canirun::merge(facts);
  for (const auto& gpu : machine.gpus) {
    if (!harmless(gpu.name) || !harmless(gpu.driver.value_or(""))) __builtin_trap();
    for (const auto& figure : {gpu.memory_total, gpu.memory_free, gpu.bandwidth}) {
      if (figure && !(figure->value >= 0 && figure->value < 1e18)) __builtin_trap();
    }
  }
  const auto written = canirun::to_json(machine).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const auto read = canirun::parse_profile(written, "written");
  if (!read) canirun::require(read.error().message);
  if (canirun::to_json(*read).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) != written) __builtin_trap();
  return 0;
}
