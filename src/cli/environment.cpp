#include "environment.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

#include "canirun/core/quantities.hpp"

namespace canirun {

namespace {

std::string variable(const char* name)
{
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::uint32_t terminal_width(bool is_terminal)
{
  if (const auto columns = parse_count(variable("COLUMNS"), 1); columns && *columns < 10000) return *columns;
  winsize size{};
  if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

Environment read_environment()
{
  Environment env;
  env.data = {variable("CANIRUN_DATA_DIR"), variable("XDG_CONFIG_HOME"), variable("HOME")};
  if (const auto root = variable("CANIRUN_SYSROOT"); !root.empty()) env.sysroot = root;
  env.path = variable("PATH");
  env.llama_cpp = variable("CANIRUN_LLAMA_CPP");
  env.stdout_is_terminal = isatty(STDOUT_FILENO) == 1;
  env.stderr_is_terminal = isatty(STDERR_FILENO) == 1;
  env.no_color = !variable("NO_COLOR").empty();
  const auto force = variable("FORCE_COLOR");
  env.force_color = !force.empty() && force != "0";
  env.term = variable("TERM");
  for (const auto* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (env.locale = variable(name); !env.locale.empty()) break;
  }
  env.width = terminal_width(env.stdout_is_terminal);
  return env;
}

bool use_colour(ColourChoice choice, const Environment& env)
{
  if (choice != ColourChoice::automatic) return choice == ColourChoice::always;
  if (env.no_color) return false;
  if (env.force_color) return true;
  return env.stdout_is_terminal && env.term != "dumb";
}

bool use_unicode(const Environment& env)
{
  std::string locale = env.locale;
  std::ranges::transform(locale, locale.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
}

}  // namespace canirun
