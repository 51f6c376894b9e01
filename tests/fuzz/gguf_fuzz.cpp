#include "canirun/formats/gguf.hpp"

#include "exercise.hpp"

/// Any bytes are a GGUF file or an error; a model that is read can be planned, placed and graded.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  // The hole stands for the weights, which are never read.
  const canirun::MemoryFile file(std::string_view(reinterpret_cast<const char*>(data), size), std::uint64_t{1} << 20);
  const auto spec = canirun::read_gguf(file.path());
  if (!spec && spec.error().message.empty()) __builtin_trap();
  if (spec) canirun::exercise(*spec);
  return 0;
}
