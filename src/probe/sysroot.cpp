#include "probe/sysroot.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace canirun {

namespace fs = std::filesystem;

fs::path Sysroot::path(std::string_view inside) const
{
  while (inside.starts_with('/')) inside.remove_prefix(1);
  return root_ / inside;
}

std::optional<std::string> Sysroot::read(std::string_view file, std::size_t limit) const
{
  // A captured tree may hold a pipe where a file should be: O_NONBLOCK keeps open() from waiting for its other end.
  const int fd = ::open(path(file).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return std::nullopt;
  struct stat info {};
  std::optional<std::string> text;
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    text.emplace();
    char buffer[4096];
    while (text->size() < limit) {
      const auto n = ::read(fd, buffer, std::min(sizeof buffer, limit - text->size()));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) text.reset();
      if (n <= 0) break;
      text->append(buffer, static_cast<std::size_t>(n));
    }
  }
  ::close(fd);
  return text;
}

std::optional<std::string> Sysroot::line(std::string_view file) const
{
  const auto text = read(file, 4096);
  if (!text) return std::nullopt;
  return std::string(trim(std::string_view(*text).substr(0, text->find('\n'))));
}

std::optional<std::uint64_t> Sysroot::number(std::string_view file) const
{
  const auto text = line(file);
  return text ? parse_number(*text) : std::nullopt;
}

std::vector<std::string> Sysroot::list(std::string_view folder) const
{
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(path(folder), error), end; !error && it != end && names.size() < 4096; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

bool Sysroot::exists(std::string_view file) const
{
  std::error_code error;
  return fs::exists(path(file), error);
}

std::optional<std::string> Sysroot::link_name(std::string_view link) const
{
  std::error_code error;
  const auto target = fs::read_symlink(path(link), error);
  if (error || target.filename().empty()) return std::nullopt;
  return target.filename().string();
}

std::string_view trim(std::string_view text)
{
  constexpr std::string_view blanks = " \t\r\n\v\f";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::optional<std::uint64_t> parse_number(std::string_view text)
{
  text = trim(text);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator)
{
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

namespace {

/// Length of the UTF-8 sequence that starts `text`, 0 when there is none (overlong forms and surrogates included).
std::size_t utf8_length(std::string_view text)
{
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const auto lead = byte(0);
  if (lead < 0x80U) return 1;
  if (lead >= 0xC2U && lead <= 0xDFU) return follows(1) ? 2 : 0;
  if (lead >= 0xE0U && lead <= 0xEFU) {
    const bool overlong = lead == 0xE0U && byte(1) < 0xA0U;
    const bool surrogate = lead == 0xEDU && byte(1) > 0x9FU;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0U && lead <= 0xF4U) {
    const bool outside = (lead == 0xF0U && byte(1) < 0x90U) || (lead == 0xF4U && byte(1) > 0x8FU);
    return follows(1) && follows(2) && follows(3) && !outside ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::optional<std::string> clean_text(std::string_view text)
{
  std::string out;
  text = trim(text);
  while (!text.empty() && out.size() < 124) {
    const auto n = utf8_length(text);
    if (n == 0) return std::nullopt;
    // U+FFFD is what a child writes for bytes that were no text.
    if (text.starts_with("\xEF\xBF\xBD")) return std::nullopt;
    const auto c = static_cast<unsigned char>(text[0]);
    const bool control = c < 0x20 || c == 0x7F || (c == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0);
    if (!control) out.append(text.substr(0, n));
    text.remove_prefix(n);
  }
  if (out.empty()) return std::nullopt;
  return out;
}

}  // namespace canirun
