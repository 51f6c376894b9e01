#include "canirun/formats/catalogue.hpp"

#include <cstdint>
#include <string_view>

/// Any bytes are a catalogue or an error: never a crash, a leak or a hang.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const auto parsed = canirun::Catalogue::parse({reinterpret_cast<const char*>(data), size}, "input");
  if (!parsed && parsed.error().message.empty()) __builtin_trap();
  return 0;
}
