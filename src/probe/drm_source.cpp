#include <fmt/format.h>

#include <algorithm>

#include "probe/driver_sources.hpp"
#include "probe/identity.hpp"
#include "probe/plausible.hpp"

namespace canirun {

using nlohmann::json;

Facts drm_facts(std::span<const json> lines)
{
  Facts facts{.source = "drm"};
  for (const auto& line : lines) {
    const auto address = canonical_pci_address(text(line, "address").value_or(""));
    if (!address) continue;
    if (const auto error = text(line, "error")) facts.reading(*address, "memory regions", clean_text(*error).value_or("failed"));
    const auto regions = line.find("regions");
    if (regions == line.end() || !regions->is_array() || regions->empty()) continue;
    Bytes own, own_free, system;
    std::size_t i = 0;
    for (const auto& region : *regions) {
      if (!region.is_object()) continue;
      const bool local = region.contains("local") && region["local"] == true;
      const Bytes size{number(region, "size").value_or(0)}, free{number(region, "free").value_or(0)};
      facts.reading(*address, fmt::format("memory region {}", i++),
                    fmt::format("{}, size {}, free {}", local ? "device" : "system", size.count, free.count));
      if (!plausible_size(size)) continue;
      if (local) {
        own += size;
        own_free += std::min(free, size);
      } else {
        system += size;
      }
    }
    DeviceFacts device{.source = "drm", .pci_address = address, .vendor_id = k_intel};
    device.driver = clean_text(text(line, "driver").value_or(""));
    // Only a card has regions of its own: xe_drm.h and i915_drm.h say so.
    device.type = own.count > 0 ? GpuType::discrete : GpuType::integrated;
    device.type_evidence = TypeEvidence::driver_flag;
    if (own.count > 0) {
      device.memory_total = own;
      device.memory_free = own_free;
    } else if (system.count > 0) {
      device.memory_total = system;
    }
    facts.devices.push_back(std::move(device));
  }
  return facts;
}

DrmSource::DrmSource(std::chrono::milliseconds timeout)
    : deadline_(Clock::now() + timeout), child_(ChildProcess::start("drm", child_environment({})))
{
}

Result<Facts> DrmSource::read()
{
  if (!child_) return tl::unexpected(child_.error());
  ChildProcess* all[] = {&*child_};
  ChildProcess::collect(all, deadline_);
  auto facts = drm_facts(child_->lines());
  if (!child_->complete()) {
    const auto fate = child_->fate();
    facts.note(fate == "still running" ? "Intel's kernel driver did not answer in time"
                                       : fmt::format("Intel's kernel driver could not be asked for its memory ({})", fate));
  }
  if (facts.devices.empty() && facts.notes.empty() && facts.readings.empty())
    return fail(ErrorKind::unavailable, "no GPU of Intel has a render node");
  return facts;
}

}  // namespace canirun
