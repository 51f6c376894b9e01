#include "emit/yaml.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "text.hpp"

namespace canirun {

namespace {

/// Plain scalars that a reader takes for something else than a string (YAML 1.1 core and its bool words).
constexpr std::array<std::string_view, 11> k_words{"true", "false", "yes", "no", "on", "off", "null", "y", "n", "inf", "nan"};

bool is_plain(std::string_view text)
{
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/'; };
  // What starts with a letter is no number, date or sign; hexadecimal and octal ones start with a digit.
  if (text.empty() || !letter(text.front()) || !std::ranges::all_of(text, inner)) return false;
  std::string lower(text);
  for (auto& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::ranges::find(k_words, lower) == k_words.end();
}

/// Outside YAML's printable set, or a break or mark that editors and terminals act on.
bool escaped(char32_t c)
{
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF || c == 0xFFFE || c == 0xFFFF;
}

}  // namespace

std::string yaml_string(std::string_view text)
{
  if (is_plain(text)) return std::string(text);
  std::string out = "\"";
  while (!text.empty()) {
    const auto [value, length] = decode_utf8(text);
    if (length == 0) out += "\\uFFFD";
    else if (value == '"' || value == '\\') out += fmt::format("\\{}", static_cast<char>(value));
    else if (escaped(value))
      out += value < 0x100 ? fmt::format("\\x{:02X}", static_cast<unsigned>(value))
                           : fmt::format("\\u{:04X}", static_cast<unsigned>(value));
    else out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out + "\"";
}

std::string yaml_list(const std::vector<std::string>& values)
{
  std::string out;
  for (const auto& v : values) out += (out.empty() ? "" : ", ") + yaml_string(v);
  return "[" + out + "]";
}

}  // namespace canirun
