#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string_view>

#include "canirun/render/renderer.hpp"
#include "commands.hpp"

namespace canirun {

std::string version_text()
{
  // CMake states the facts (src/cli/CMakeLists.txt).
  // NOLINTNEXTLINE(readability-redundant-string-init): empty in some builds only
  constexpr std::string_view commit = CANIRUN_COMMIT, build = CANIRUN_BUILD, sanitizers = CANIRUN_SANITIZERS;
  std::string out = "canirun " CANIRUN_VERSION "\n";
  out += fmt::format("built for {} by {}, {}", CANIRUN_TARGET, CANIRUN_COMPILER, build.empty() ? "no build type" : build);
  if (!sanitizers.empty()) out += fmt::format(", sanitizers {}", sanitizers);
  if (!commit.empty()) out += fmt::format(", commit {}", commit);
  out += fmt::format("\nwith {}\n", CANIRUN_LIBRARIES);
  out += "examines sysfs, procfs and cgroups, Vulkan, NVML and the i915 and xe drivers where they are installed\n";
  return out + fmt::format("formats {}\n", fmt::join(format_names(), ", "));
}

}  // namespace canirun
