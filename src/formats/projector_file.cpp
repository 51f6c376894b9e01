#include "canirun/formats/projector_file.hpp"

#include <fmt/core.h>

#include "gguf_header.hpp"

namespace canirun {

Result<Projector> read_projector(const std::filesystem::path& file)
{
  auto header = read_gguf_header(file);
  if (!header) return tl::unexpected(std::move(header.error()));
  const auto* arch = header->find("general.architecture");
  if (!arch || arch->string != "clip") {
    return fail(ErrorKind::parse, fmt::format("{}: this is no projector, its architecture is '{}' and not 'clip'", file.string(),
                                              arch ? arch->string : ""));
  }
  return Projector{file.stem().string(), std::move(header->tensors)};
}

}  // namespace canirun
