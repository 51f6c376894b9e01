#include "byte_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <fmt/core.h>

namespace canirun {

namespace {

constexpr std::size_t k_window = std::size_t{256} << 10;

}  // namespace

Result<ByteReader> ByteReader::open(const std::filesystem::path& file)
{
  const auto failed = [&] {
    return fail(ErrorKind::io, fmt::format("cannot read '{}': {}", file.string(), std::strerror(errno)));
  };
  // A pipe in place of a file would block the open.
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failed();
  ByteReader reader(fd, 0);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return failed();
  if (!S_ISREG(status.st_mode))
    return fail(ErrorKind::io, fmt::format("cannot read '{}': it is not a regular file", file.string()));
  reader.size_ = static_cast<std::uint64_t>(status.st_size);
  return reader;
}

ByteReader::ByteReader(ByteReader&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      at_(other.at_),
      window_at_(other.window_at_),
      window_(std::move(other.window_)),
      ok_(other.ok_),
      swap_(other.swap_)
{
}

ByteReader::~ByteReader()
{
  if (fd_ >= 0) ::close(fd_);
}

void ByteReader::fill()
{
  window_.resize(k_window);
  window_at_ = at_;
  std::size_t n = 0;
  while (n < k_window) {
    const auto got = ::pread(fd_, window_.data() + n, k_window - n, static_cast<off_t>(at_ + n));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    n += static_cast<std::size_t>(got);
  }
  window_.resize(n);
}

void ByteReader::take(void* out, std::size_t n)
{
  if (!ok_ || n > left()) {
    ok_ = false;
    return;
  }
  auto* to = static_cast<std::byte*>(out);
  while (n > 0) {
    if (at_ < window_at_ || at_ >= window_at_ + window_.size()) fill();
    const auto start = static_cast<std::size_t>(at_ - window_at_);
    const auto part = std::min(n, window_.size() - start);
    if (part == 0) {
      ok_ = false;
      return;
    }
    // cppcheck-suppress invalidFunctionArg // it takes an n that has gone below 0 for possible: `part` is n at most, and neither has a sign
    std::memcpy(to, window_.data() + start, part);
    to += part;
    at_ += part;
    n -= part;
  }
}

void ByteReader::skip(std::uint64_t n)
{
  if (!ok_ || n > left()) {
    ok_ = false;
    return;
  }
  at_ += n;
}

}  // namespace canirun
