#include "output.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace canirun {

namespace {

/// 0, or the errno of the write that failed.
int write_all(int fd, std::string_view text)
{
  while (!text.empty()) {
    const auto n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

tl::unexpected<Error> cannot_write(const std::string& path, int error)
{
  return fail(ErrorKind::io, fmt::format("cannot write {}: {}", path, std::strerror(error)));
}

Result<void> write_direct(int fd, std::string_view text, const std::string& name)
{
  const auto error = write_all(fd, text);
  if (error != 0 && error != EPIPE) return cannot_write(name, error);
  return {};
}

Result<void> write_device(const std::string& path, std::string_view text)
{
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return cannot_write(path, errno);
  auto result = write_direct(fd, text, path);
  if (close(fd) != 0 && result) return cannot_write(path, errno);
  return result;
}

/// Permissions of a file that is replaced stay; a new one has what the umask leaves.
mode_t mode_for(bool exists, const struct stat& old)
{
  if (exists) return old.st_mode & 07777;
  const auto mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

/// Keeps signals that end the program waiting as long as a temporary file is there: Ctrl-C leaves nothing behind.
class SignalsWait {
 public:
  SignalsWait()
  {
    sigset_t endings;
    sigemptyset(&endings);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&endings, signal);
    sigprocmask(SIG_BLOCK, &endings, &before_);
  }
  ~SignalsWait() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalsWait(const SignalsWait&) = delete;
  SignalsWait& operator=(const SignalsWait&) = delete;

 private:
  sigset_t before_{};
};

Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode)
{
  const SignalsWait wait;
  std::string temporary = path + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return cannot_write(path, errno);
  int error = write_all(fd, text);
  if (error == 0 && fchmod(fd, mode) != 0) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return {};
  unlink(temporary.c_str());
  return cannot_write(path, error);
}

/// Where a chain of symbolic links ends, so that the file behind them is replaced and not the link.
std::string resolve_links(const std::string& path)
{
  char* real = realpath(path.c_str(), nullptr);
  if (!real) return path;
  std::string target = real;
  std::free(real);
  return target;
}

}  // namespace

Result<void> write_output(std::string_view text, const std::string& path)
{
  if (path.empty() || path == "-") return write_direct(STDOUT_FILENO, text, "standard output");
  struct stat old {};
  const bool exists = stat(path.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) return cannot_write(path, EISDIR);
  if (exists && !S_ISREG(old.st_mode)) return write_device(path, text);
  return replace_file(resolve_links(path), text, mode_for(exists, old));
}

void write_message(std::string_view text) { static_cast<void>(write_all(STDERR_FILENO, text)); }

Result<std::string> read_input(const std::string& path)
{
  // Profiles and catalogues are small; whatever is larger is not one.
  constexpr std::size_t k_largest = 64u << 20;
  const bool is_stdin = path == "-";
  const auto cannot_read = [&](int problem) {
    return fail(ErrorKind::io, fmt::format("cannot read {}: {}", is_stdin ? "standard input" : path, std::strerror(problem)));
  };
  const int fd = is_stdin ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cannot_read(errno);
  std::string text;
  int error = 0;
  for (char buffer[65536];;) {
    const auto n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) error = errno;
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > k_largest) break;
  }
  if (!is_stdin) close(fd);
  if (error != 0) return cannot_read(error);
  if (text.size() > k_largest) return fail(ErrorKind::parse, fmt::format("{} is larger than 64 MiB, which no profile is", path));
  return text;
}

}  // namespace canirun
