#include <csignal>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "canirun/probe/probe.hpp"
#include "run.hpp"

namespace {

/// A standard stream that was closed would be the number of the next file that is opened, and output would go into that file.
/// What takes its place refuses what the stream is for, so that its loss is still seen.
void reserve_standard_streams()
{
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    static_cast<void>(open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

}  // namespace

int main(int argc, char** argv)
{
  reserve_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is seen by write()
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  constexpr std::string_view k_child = "--probe-child=";
  if (arguments.size() == 1 && arguments[0].starts_with(k_child))
    return canirun::run_probe_child(arguments[0].substr(k_child.size()));
  return canirun::run(arguments);
}
