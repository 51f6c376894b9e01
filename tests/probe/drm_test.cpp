#include "probe/drm_regions.hpp"

#include <cerrno>
#include <cstring>

#include "catch.hpp"
#include "probe/driver_sources.hpp"
#include "probe/merge.hpp"

using namespace canirun;
using namespace canirun::literals;
using nlohmann::json;

namespace {

void put(std::vector<std::uint8_t>& out, std::initializer_list<std::uint64_t> words)
{
  for (const auto word : words) {
    for (unsigned shift = 0; shift < 64; shift += 8) out.push_back(static_cast<std::uint8_t>(word >> shift));
  }
}

std::uint64_t word_at(const void* at, std::size_t offset)
{
  std::uint64_t word = 0;
  std::memcpy(&word, static_cast<const std::uint8_t*>(at) + offset, sizeof word);
  return word;
}

/// The kernel's side of DRM_IOCTL_XE_DEVICE_QUERY: the size first, then the answer, for exactly that size.
Ioctl xe_kernel(std::vector<std::uint8_t> answer)
{
  return [answer](unsigned long, void* argument) {
    const auto query = word_at(argument, 8);
    if ((query & 0xffffffffU) != 1) return -EINVAL;
    auto* size = static_cast<std::uint8_t*>(argument) + 12;
    if ((query >> 32U) == 0) {
      const auto n = static_cast<std::uint32_t>(answer.size());
      std::memcpy(size, &n, sizeof n);
      return 0;
    }
    if ((query >> 32U) != answer.size()) return -EINVAL;
    std::memcpy(reinterpret_cast<void*>(word_at(argument, 16)), answer.data(), answer.size());
    return 0;
  };
}

/// The kernel's side of DRM_IOCTL_I915_QUERY with one item; kernels that do not know the question put -EINVAL into its length.
Ioctl i915_kernel(std::vector<std::uint8_t> answer)
{
  return [answer](unsigned long, void* argument) {
    auto* item = reinterpret_cast<std::uint8_t*>(word_at(argument, 8));
    std::int32_t length = 0;
    std::memcpy(&length, item + 8, sizeof length);
    const auto set = [&](std::int32_t value) { std::memcpy(item + 8, &value, sizeof value); };
    if (word_at(item, 0) != 4 || answer.empty()) {
      set(-EINVAL);
    } else if (length == 0) {
      set(static_cast<std::int32_t>(answer.size()));
    } else {
      std::memcpy(reinterpret_cast<void*>(word_at(item, 16)), answer.data(), answer.size());
    }
    return 0;
  };
}

// Two regions: 32 GiB of system memory and a card of 12 GiB of which 2 GiB are in use.
std::vector<std::uint8_t> xe_answer()
{
  std::vector<std::uint8_t> a;
  put(a, {2});
  put(a, {0x1000'0000'0000, 32_GiB .count, 1_GiB .count, 0, 0, 0, 0, 0, 0, 0, 0});
  put(a, {0x1'0000'0001'0001, 12_GiB .count, 2_GiB .count, 12_GiB .count, 0, 0, 0, 0, 0, 0, 0});
  return a;
}

std::vector<std::uint8_t> i915_answer()
{
  std::vector<std::uint8_t> a;
  put(a, {2, 0});
  put(a, {0, 32_GiB .count, 32_GiB .count, 0, 0, 0, 0, 0, 0, 0, 0});
  put(a, {1, 16_GiB .count, 15_GiB .count, 0, 0, 0, 0, 0, 0, 0, 0});
  return a;
}

Facts intel_card(const char* line) { return drm_facts(std::vector<json>{json::parse(line)}); }

HardwareProfile with_capability(bool may_read, const Facts& drm)
{
  HostFacts host;
  host.may_read_gpu_counters = may_read;
  return merge(std::vector<Facts>{{.source = "host", .host = host}, drm});
}

}  // namespace

TEST_CASE("the memory regions of both of Intel's kernel drivers are read as the kernel lays them out", "[probe][drm]")
{
  const auto xe = drm_regions("xe", xe_kernel(xe_answer()));
  REQUIRE(xe);
  REQUIRE(xe->size() == 2);
  CHECK_FALSE(xe->at(0).device_local);
  CHECK(xe->at(0).size == 32_GiB .count);
  CHECK(xe->at(1).device_local);
  CHECK(xe->at(1).size == 12_GiB .count);
  CHECK(xe->at(1).free == 10_GiB .count);

  const auto i915 = drm_regions("i915", i915_kernel(i915_answer()));
  REQUIRE(i915);
  REQUIRE(i915->size() == 2);
  CHECK(i915->at(1).device_local);
  CHECK(i915->at(1).size == 16_GiB .count);
  CHECK(i915->at(1).free == 15_GiB .count);
}

TEST_CASE("a kernel that does not list regions, or lists more than it sends, is an ordinary answer", "[probe][drm]")
{
  CHECK_FALSE(drm_regions("amdgpu", xe_kernel(xe_answer())));
  CHECK_FALSE(drm_regions("i915", i915_kernel({})));
  CHECK_FALSE(drm_regions("xe", [](unsigned long, void*) { return -EACCES; }));
  auto too_many = xe_answer();
  too_many[0] = 200;
  CHECK_FALSE(drm_regions("xe", xe_kernel(too_many)));
  CHECK_FALSE(drm_regions("xe", xe_kernel({1, 0, 0})));
  CHECK_FALSE(drm_regions("xe", xe_kernel(std::vector<std::uint8_t>(1U << 20U))));
}

TEST_CASE("a region of its own makes a card, and what is free in it counts only with CAP_PERFMON", "[probe][drm][merge]")
{
  const auto card = intel_card(
      R"({"address": "0000:03:00.0", "driver": "xe", "regions": [{"local": false, "size": 34359738368, "free": 34359738368},
                                                                  {"local": true, "size": 12884901888, "free": 10737418240}]})");
  const auto user = with_capability(false, card), root = with_capability(true, card);
  REQUIRE(user.gpus.size() == 1);
  CHECK(user.gpus[0].type == GpuType::discrete);
  CHECK(user.gpus[0].memory_total->bytes() == 12_GiB);
  CHECK(user.gpus[0].memory_total->source == "drm:memory regions");
  CHECK_FALSE(user.gpus[0].memory_free);
  CHECK(root.gpus[0].memory_free->bytes() == 10_GiB);
}

TEST_CASE("without a region of its own the GPU shares the RAM", "[probe][drm][merge]")
{
  const auto shared = intel_card(
      R"({"address": "0000:00:02.0", "driver": "i915", "regions": [{"local": false, "size": 16777216000, "free": 16777216000}]})");
  const auto profile = with_capability(false, shared);
  REQUIRE(profile.gpus.size() == 1);
  CHECK(profile.gpus[0].unified_memory);
  CHECK(profile.gpus[0].memory_total->value == 16777216000.0);
}

TEST_CASE("lines that no driver of ours writes are passed over", "[probe][drm]")
{
  for (const char* line : {"{}", R"({"address": 5})", R"({"address": "0000:03:00.0", "regions": 7})", R"({"address": "x", "regions": []})",
                           R"({"address": "0000:03:00.0", "regions": [3, {"local": 1, "size": -4}, {"local": true, "size": 18446744073709551615}]})"}) {
    CAPTURE(line);
    for (const auto& device : intel_card(line).devices) CHECK_FALSE(device.memory_total);
  }
}
