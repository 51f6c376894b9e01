#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "gpu_name.hpp"

namespace canirun {

namespace {

std::string_view trimmed(std::string_view s)
{
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

/// Length of a sign of multiplication at the front of `text`: "x", "X", "*", "×".
std::size_t times_sign(std::string_view text)
{
  if (text.starts_with("\xC3\x97")) return 2;
  return !text.empty() && (text.front() == 'x' || text.front() == 'X' || text.front() == '*') ? 1 : 0;
}

/// Takes "2x " off the front or " x2" off the back of `text`; nothing when it states no count. "7900 XTX" states none: a count that
/// touches its "x" has two digits at most.
std::optional<std::uint32_t> take_count(std::string_view& text)
{
  std::uint32_t count = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (status == std::errc{}) {
    const auto digits = static_cast<std::size_t>(end - text.data());
    const auto rest = trimmed(text.substr(digits));
    const auto sign = times_sign(rest);
    const auto name = trimmed(rest.substr(sign));
    if (sign > 0 && !name.empty() && (digits <= 2 || rest.substr(sign).starts_with(' '))) {
      text = name;
      return count;
    }
  }
  const auto last = text.find_last_not_of("0123456789");
  if (last == std::string_view::npos || text.size() - last > 3 || last + 1 == text.size()) return {};
  auto name = trimmed(text.substr(0, last + 1));
  const std::size_t sign = name.ends_with("\xC3\x97") ? 2 : 1;
  if (times_sign(name.substr(name.size() - std::min(sign, name.size()))) == 0) return {};
  name.remove_suffix(sign);
  if (name.empty() || (name.back() != ' ' && (name.back() < '0' || name.back() > '9'))) return {};
  std::from_chars(text.data() + last + 1, text.data() + text.size(), count);
  text = trimmed(name);
  return count;
}

}  // namespace

Result<GpuQuery> parse_gpu_query(std::string_view text)
{
  GpuQuery query;
  query.name = trimmed(text);
  if (const auto count = take_count(query.name)) {
    if (*count == 0 || *count > 64)
      return fail(ErrorKind::invalid_argument, fmt::format("'{}': 1 to 64 GPUs can be stated", text));
    query.count = *count;
  }
  if (const auto colon = query.name.rfind(':'); colon != std::string_view::npos) {
    std::string size(query.name.substr(colon + 1));
    std::ranges::transform(size, size.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    auto gib = size_word(size);
    if (!gib) gib = size_word(size + "g");
    if (!gib)
      return fail(ErrorKind::invalid_argument,
                  fmt::format("'{}': '{}' is not a memory size like 24G", text, query.name.substr(colon + 1)));
    query.gib = gib;
    query.name = trimmed(query.name.substr(0, colon));
  }
  return query;
}

}  // namespace canirun
