#include "canirun/formats/config_json.hpp"

#include "exercise.hpp"

/// Any bytes are a config.json or an error; a model that is read can be planned, placed and graded.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const canirun::MemoryFile file(std::string_view(reinterpret_cast<const char*>(data), size));
  const auto spec = canirun::read_config_json(file.path());
  if (!spec && spec.error().message.empty()) __builtin_trap();
  if (spec) canirun::exercise(*spec);
  return 0;
}
