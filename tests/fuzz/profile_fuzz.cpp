#include "canirun/formats/profile.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "canirun/core/hardware_json.hpp"

/// Any bytes are a hardware profile or an error, and a profile that was read is written and read again as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const auto profile = canirun::parse_profile({reinterpret_cast<const char*>(data), size}, "input");
  if (!profile) {
    if (profile.error().message.empty()) __builtin_trap();
    return 0;
  }
  const auto again = canirun::parse_profile(
      canirun::to_json(*profile).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), "written");
  if (!again) __builtin_trap();
  return 0;
}
