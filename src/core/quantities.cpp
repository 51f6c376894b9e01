#include "canirun/core/quantities.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <optional>
#include <string>

namespace canirun {

namespace {

struct Quantity {
  double number = 0;
  std::string unit;  ///< Lower case.
};

/// A finite number of at least zero and what follows it.
std::optional<Quantity> split(std::string_view text)
{
  Quantity q;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), q.number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(q.number) || q.number < 0 || text.starts_with('-')) return std::nullopt;
  for (const char* p = end; p != text.data() + text.size(); ++p) {
    if (*p != ' ') q.unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*p)));
  }
  return q;
}

struct Unit {
  std::string_view name;
  double factor;
};

// clang-format off
constexpr std::array k_sizes{
    Unit{"k", 0x1p10}, Unit{"kib", 0x1p10}, Unit{"kb", 1e3},
    Unit{"m", 0x1p20}, Unit{"mib", 0x1p20}, Unit{"mb", 1e6},
    Unit{"g", 0x1p30}, Unit{"gib", 0x1p30}, Unit{"gb", 1e9},
    Unit{"t", 0x1p40}, Unit{"tib", 0x1p40}, Unit{"tb", 1e12},
    Unit{"b", 1},
};
constexpr std::array k_rates{
    Unit{"", 1e9}, Unit{"gb/s", 1e9}, Unit{"gbps", 1e9}, Unit{"gb", 1e9}, Unit{"g", 1e9},
    Unit{"mb/s", 1e6}, Unit{"tb/s", 1e12}, Unit{"gib/s", 0x1p30}, Unit{"tib/s", 0x1p40},
};
// clang-format on

template <std::size_t N>
std::optional<double> factor_of(const std::array<Unit, N>& units, std::string_view name)
{
  const auto found = std::ranges::find(units, name, &Unit::name);
  if (found == units.end()) return std::nullopt;
  return found->factor;
}

}  // namespace

Result<Bytes> parse_size(std::string_view text)
{
  const auto bad = fail(ErrorKind::invalid_argument,
                        fmt::format("'{}' is not a size; write 24G or 24GiB (2^30 bytes each) or 24GB (10^9)", text));
  const auto q = split(text);
  if (!q) return bad;
  auto factor = factor_of(k_sizes, q->unit);
  if (!factor && q->unit.empty() && (q->number >= 0x1p20 || q->number == 0)) factor = 1;
  // 2^60 bytes are beyond any machine and keep every sum far from overflow.
  if (!factor || q->number * *factor > 0x1p60) return bad;
  return Bytes{static_cast<std::uint64_t>(q->number * *factor)};
}

Result<std::uint32_t> parse_tokens(std::string_view text)
{
  const auto q = split(text);
  const double factor = !q ? 0 : q->unit.empty() ? 1 : q->unit == "k" ? 1024 : q->unit == "m" ? 1048576 : 0;
  const double tokens = q ? q->number * factor : 0;
  if (tokens < 1 || tokens > 0x1p30 || tokens != std::floor(tokens)) {
    return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a number of tokens; write 8192 or 32k", text));
  }
  return static_cast<std::uint32_t>(tokens);
}

Result<BytesPerSecond> parse_bandwidth(std::string_view text)
{
  const auto q = split(text);
  const auto factor = q ? factor_of(k_rates, q->unit) : std::nullopt;
  if (!factor || q->number <= 0 || q->number * *factor > 1e18) {
    return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a bandwidth; write 936 or 936GB/s", text));
  }
  return BytesPerSecond{q->number * *factor};
}

Result<std::uint32_t> parse_count(std::string_view text, std::uint32_t least, std::uint32_t most)
{
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a whole number from {} to {}", text, least, most));
  }
  return value;
}

Result<std::array<std::uint32_t, 2>> parse_resolution(std::string_view text)
{
  constexpr std::uint32_t k_least = 64, k_most = 8192;
  const auto cross = text.find_first_of("xX");
  const auto width = parse_count(text.substr(0, cross), k_least);
  const auto height = cross == std::string_view::npos ? width : parse_count(text.substr(cross + 1), k_least);
  if (width && height && *width <= k_most && *height <= k_most) return std::array{*width, *height};
  return fail(ErrorKind::invalid_argument,
              fmt::format("'{}' is not a resolution; write width and height from {} to {} pixels, as in 1024x768", text, k_least,
                          k_most));
}

}  // namespace canirun
