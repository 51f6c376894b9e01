#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <span>
#include <string_view>
#include <unistd.h>

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
  // A reader that goes away and a file that may not grow are seen by write().
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const std::span<char* const> words(argv + 1, argv + std::max(argc, 1));  // a caller may give no name at all
  constexpr std::string_view k_child = "--probe-child=";
  if (words.size() == 1 && std::string_view(words[0]).starts_with(k_child))
    return canirun::run_probe_child(std::string_view(words[0]).substr(k_child.size()));
  return canirun::run(words);
}
