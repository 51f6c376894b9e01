#include "output.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

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

/// Permissions of a file that is replaced stay; a new one has what the umask leaves.
mode_t mode_for(bool exists, const struct stat& old)
{
  if (exists) return old.st_mode & 07777;
  const auto mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
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

class Output::SignalsWait {
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

Output::Output(std::string path) : path_(std::move(path))
{
  if (!path_.empty() && path_ != "-") open_file();
}

void Output::open_file()
{
  struct stat old {};
  const bool exists = stat(path_.c_str(), &old) == 0;
  if (exists && !S_ISREG(old.st_mode)) {
    fd_ = S_ISDIR(old.st_mode) ? -1 : open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) error_ = S_ISDIR(old.st_mode) ? EISDIR : errno;
    return;
  }
  target_ = resolve_links(path_);
  mode_ = mode_for(exists, old);
  signals_ = std::make_unique<SignalsWait>();
  auto name = target_ + ".XXXXXX";
  fd_ = mkostemp(name.data(), O_CLOEXEC);
  if (fd_ < 0) error_ = errno;
  else temporary_ = std::move(name);
}

void Output::close_file()
{
  if (fd_ == STDOUT_FILENO || fd_ < 0) return;
  if (close(fd_) != 0 && error_ == 0) error_ = errno;
  fd_ = -1;
}

Output::~Output()
{
  close_file();
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void Output::write(std::string_view piece)
{
  if (error_ == 0) error_ = write_all(fd_, piece);
}

Result<void> Output::finish()
{
  if (error_ == 0 && !temporary_.empty() && fchmod(fd_, mode_) != 0) error_ = errno;
  close_file();
  if (error_ == 0 && !temporary_.empty()) {
    if (rename(temporary_.c_str(), target_.c_str()) == 0) temporary_.clear();
    else error_ = errno;
  }
  if (error_ == 0 || (error_ == EPIPE && temporary_.empty())) return {};
  const bool to_stdout = path_.empty() || path_ == "-";
  return fail(ErrorKind::io, fmt::format("cannot write {}: {}", to_stdout ? "standard output" : path_, std::strerror(error_)));
}

Result<void> write_output(std::string_view text, const std::string& path)
{
  Output output(path);
  output.write(text);
  return output.finish();
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
