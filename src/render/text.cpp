#include "text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace canirun {

namespace {

/// Controls (C0, DEL, C1), line separators and marks that change the direction of what follows.
bool harmful(char32_t c)
{
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF;
}

/// Unicode East Asian Width W and F in blocks, and the emoji planes; combining marks of the common scripts.
std::size_t width_of(char32_t c)
{
  if ((c >= 0x300 && c < 0x370) || (c >= 0x1AB0 && c < 0x1B00) || (c >= 0x20D0 && c < 0x2100) || (c >= 0xFE00 && c < 0xFE10))
    return 0;
  const bool wide = (c >= 0x1100 && c < 0x1160) || (c >= 0x2E80 && c < 0xA4D0) || (c >= 0xAC00 && c < 0xD7A4) ||
                    (c >= 0xF900 && c < 0xFB00) || (c >= 0xFE30 && c < 0xFE70) || (c >= 0xFF00 && c < 0xFF61) ||
                    (c >= 0x1F300 && c < 0x1F650) || (c >= 0x1F900 && c < 0x1FA00) || (c >= 0x20000 && c < 0x3FFFE);
  return wide ? 2 : 1;
}

}  // namespace

CodePoint decode_utf8(std::string_view s)
{
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (length == 0 || first >= 0xF5 || s.size() < length) return {};
  char32_t value = first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {};
  return {value, length};
}

std::string clean(std::string_view text, bool ascii)
{
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto c = decode_utf8(text);
    const auto length = std::max<std::size_t>(c.length, 1);
    if (c.length == 0 || harmful(c.value) || (ascii && c.value > 0x7E)) out += '?';
    else out.append(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

std::size_t display_width(std::string_view text)
{
  std::size_t width = 0;
  while (!text.empty()) {
    const auto c = decode_utf8(text);
    width += c.length == 0 ? 1 : width_of(c.value);
    text.remove_prefix(std::max<std::size_t>(c.length, 1));
  }
  return width;
}

std::string pad_right(std::string text, std::size_t width)
{
  const auto now = display_width(text);
  if (now < width) text.append(width - now, ' ');
  return text;
}

std::string pad_left(const std::string& text, std::size_t width)
{
  const auto now = display_width(text);
  return now < width ? std::string(width - now, ' ') + text : text;
}

std::string cut(std::string_view text, std::size_t width, std::string_view ellipsis)
{
  if (display_width(text) <= width) return std::string(text);
  const auto room = width - std::min(width, display_width(ellipsis));
  std::size_t used = 0, bytes = 0;
  while (bytes < text.size()) {
    const auto c = decode_utf8(text.substr(bytes));
    const auto w = c.length == 0 ? 1 : width_of(c.value);
    if (used + w > room) break;
    used += w;
    bytes += std::max<std::size_t>(c.length, 1);
  }
  return std::string(text.substr(0, bytes)) + std::string(ellipsis);
}

std::vector<std::string> wrap(std::string_view text, std::size_t width)
{
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    if (!lines.back().empty() && display_width(lines.back()) + 1 + display_width(word) > width) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string size_text(Bytes bytes)
{
  const auto gib = to_gib(bytes).value;
  if (gib >= 0.9995) return fmt::format("{:.1f} GiB", gib);
  if (bytes.count > 0 && bytes.count < (1U << 20U)) return fmt::format("{} KiB", std::max<std::uint64_t>(1, bytes.count >> 10U));
  return fmt::format("{:.0f} MiB", gib * 1024);
}

std::string size_text(std::int64_t bytes)
{
  if (bytes >= 0) return size_text(Bytes{static_cast<std::uint64_t>(bytes)});
  return "-" + size_text(Bytes{static_cast<std::uint64_t>(-bytes)});
}

std::string context_text(std::uint32_t tokens)
{
  if (tokens >= 1048576 && tokens % 1048576 == 0) return fmt::format("{}M", tokens / 1048576);
  if (tokens >= 10240) return fmt::format("{}k", tokens / 1024);
  if (tokens >= 1024 && tokens % 1024 == 0) return fmt::format("{}k", tokens / 1024);
  return fmt::format("{}", tokens);
}

std::string params_text(std::uint64_t n)
{
  const auto x = static_cast<double>(n);
  if (x >= 99.5e9) return fmt::format("{:.0f}B", x / 1e9);
  if (x >= 0.9995e9) return fmt::format("{:.1f}B", x / 1e9);
  return fmt::format("{:.0f}M", x / 1e6);
}

std::string rate_text(double r)
{
  if (r >= 9.95) return fmt::format("{:.0f}", r);
  if (r >= 0.095) return fmt::format("{:.1f}", r);
  return fmt::format("{:.2f}", r);
}

std::string bandwidth_text(double b)
{
  const auto gb = b / 1e9;
  return gb >= 99.5 ? fmt::format("{:.0f} GB/s", gb) : fmt::format("{:.1f} GB/s", gb);
}

}  // namespace canirun
