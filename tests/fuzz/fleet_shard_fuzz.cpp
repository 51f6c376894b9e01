#include "canirun/formats/fleet_shard.hpp"

#include <string>
#include <vector>

#include "canirun/render/fleet.hpp"
#include "exercise.hpp"

namespace {

canirun::FleetReport merged(const std::vector<canirun::ShardText>& parts)
{
  auto report = canirun::merge_shards(parts);
  if (!report) canirun::require(report.error().message);
  return std::move(*report);
}

}  // namespace

/// Any bytes are the parts of a fleet or an error, and a fleet that was put together is answered, shown in every form, and the same
/// once more when it is written as one part and read. Parts stand behind each other, a byte 0x1E between them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  std::vector<canirun::ShardText> parts{{"input", {}}};
  for (const char c : std::string_view(reinterpret_cast<const char*>(data), size)) {
    if (c == '\x1e') parts.push_back({"input", {}});
    else parts.back().text += c;
  }
  auto report = canirun::merge_shards(parts);
  if (!report) {
    if (report.error().message.empty()) __builtin_trap();
    return 0;
  }
  if (report->fleet.models.empty()) return 0;
  report->fleet.columns.resize(report->fleet.models.front().cells.size());
  auto again = merged({{"written", canirun::shard_json(*report, {}, report->fleet.models.size())}});
  canirun::answer_fleet(*report);
  canirun::answer_fleet(again);
  for (const auto format : canirun::fleet_format_names()) {
    const auto shown = canirun::render_fleet(*report, format, {});
    if (!shown) canirun::require(shown.error().message);
    if (*shown != *canirun::render_fleet(again, format, {})) __builtin_trap();
  }
  return 0;
}
