#include "probe/drm_regions.hpp"

#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>

namespace canirun {

namespace {

// The kernel's interface: include/uapi/drm/i915_drm.h and xe_drm.h of Linux. Headers of Debian 12 know xe not yet.
struct I915Query {
  std::uint32_t n_items, flags;
  std::uint64_t items;
};
struct I915QueryItem {
  std::uint64_t query;
  std::int32_t length;
  std::uint32_t flags;
  std::uint64_t data;
};
struct I915Regions {
  std::uint32_t n_regions, reserved[3];
};
struct I915Region {
  std::uint16_t memory_class, instance;
  std::uint32_t reserved0;
  std::uint64_t probed_size, unallocated_size, reserved1[8];
};
struct XeQuery {
  std::uint64_t extensions;
  std::uint32_t query, size;
  std::uint64_t data, reserved[2];
};
struct XeRegions {
  std::uint32_t n_regions, pad;
};
struct XeRegion {
  std::uint16_t memory_class, instance;
  std::uint32_t min_page_size;
  std::uint64_t total_size, used, cpu_visible_size, cpu_visible_used, reserved[6];
};
static_assert(sizeof(I915Region) == 88 && sizeof(XeRegion) == 88 && sizeof(XeQuery) == 40 && sizeof(I915QueryItem) == 24);

constexpr unsigned k_command_base = 0x40;
constexpr auto k_i915_query = _IOWR('d', k_command_base + 0x39, I915Query);
constexpr auto k_xe_query = _IOWR('d', k_command_base + 0x00, XeQuery);
constexpr std::uint64_t k_i915_memory_regions = 4;
constexpr std::uint32_t k_xe_memory_regions = 1;
constexpr std::uint16_t k_device_class = 1;  // both drivers: 0 system memory, 1 the device's

/// The answer's bytes, as long as the driver first says; nothing for lengths that no machine needs.
using Answer = std::vector<std::uint8_t>;
constexpr std::size_t k_longest_answer = 65536;

std::optional<Answer> ask_i915(const Ioctl& ioctl)
{
  I915QueryItem item{.query = k_i915_memory_regions, .length = 0, .flags = 0, .data = 0};
  I915Query query{.n_items = 1, .flags = 0, .items = reinterpret_cast<std::uintptr_t>(&item)};
  if (ioctl(k_i915_query, &query) != 0 || item.length <= 0 || static_cast<std::size_t>(item.length) > k_longest_answer)
    return std::nullopt;
  Answer answer(static_cast<std::size_t>(item.length));
  item.data = reinterpret_cast<std::uintptr_t>(answer.data());
  if (ioctl(k_i915_query, &query) != 0 || item.length != static_cast<std::int32_t>(answer.size())) return std::nullopt;
  return answer;
}

std::optional<Answer> ask_xe(const Ioctl& ioctl)
{
  XeQuery query{.extensions = 0, .query = k_xe_memory_regions, .size = 0, .data = 0, .reserved = {}};
  if (ioctl(k_xe_query, &query) != 0 || query.size == 0 || query.size > k_longest_answer) return std::nullopt;
  Answer answer(query.size);
  query.data = reinterpret_cast<std::uintptr_t>(answer.data());
  if (ioctl(k_xe_query, &query) != 0 || query.size != answer.size()) return std::nullopt;
  return answer;
}

/// The regions behind the answer's header; nothing when it is shorter than its own count says.
template <typename Header, typename Region>
std::optional<std::vector<Region>> regions_of(const Answer& answer)
{
  Header header{};
  if (answer.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.n_regions > (answer.size() - sizeof header) / sizeof(Region)) return std::nullopt;
  std::vector<Region> regions(header.n_regions);
  if (!regions.empty()) std::memcpy(regions.data(), answer.data() + sizeof header, regions.size() * sizeof(Region));
  return regions;
}

}  // namespace

std::optional<std::vector<DrmRegion>> drm_regions(std::string_view driver, const Ioctl& ioctl)
{
  std::vector<DrmRegion> out;
  if (driver == "i915") {
    const auto answer = ask_i915(ioctl);
    const auto regions = answer ? regions_of<I915Regions, I915Region>(*answer) : std::nullopt;
    if (!regions) return std::nullopt;
    for (const auto& r : *regions) out.push_back({r.memory_class == k_device_class, r.probed_size, std::min(r.unallocated_size, r.probed_size)});
    return out;
  }
  if (driver == "xe") {
    const auto answer = ask_xe(ioctl);
    const auto regions = answer ? regions_of<XeRegions, XeRegion>(*answer) : std::nullopt;
    if (!regions) return std::nullopt;
    for (const auto& r : *regions) out.push_back({r.memory_class == k_device_class, r.total_size, r.total_size - std::min(r.used, r.total_size)});
    return out;
  }
  return std::nullopt;
}

}  // namespace canirun
