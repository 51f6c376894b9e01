#include "canirun/render/renderer.hpp"

namespace canirun {

Result<std::unique_ptr<Renderer>> make_renderer(std::string_view format)
{
  return fail(ErrorKind::invalid_argument, "no format is called '" + std::string(format) + "'");
}

}  // namespace canirun
