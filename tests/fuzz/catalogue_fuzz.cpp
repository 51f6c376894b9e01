#include "canirun/formats/catalogue.hpp"

#include "exercise.hpp"

/// Any bytes are a catalogue or an error; its models can be planned, placed and graded.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const auto parsed = canirun::Catalogue::parse({reinterpret_cast<const char*>(data), size}, "input");
  if (!parsed && parsed.error().message.empty()) __builtin_trap();
  if (!parsed) return 0;
  const auto entries = parsed->entries();
  for (std::size_t i = 0; i < entries.size() && i < 4; ++i) canirun::exercise(entries[i].spec);
  return 0;
}
