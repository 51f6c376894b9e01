#include "json_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace canirun {

namespace {

std::string dump(const nlohmann::ordered_json& value, int indent)
{
  return value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

bool needs_no_escape(char c) { return c >= ' ' && c < 127 && c != '"' && c != '\\'; }

}  // namespace

void JsonText::open(char bracket)
{
  text_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonText::close(char bracket)
{
  --depth_;
  if (!first_) begin_line(grow(line_size()));
  text_ += bracket;
  first_ = false;
}

char* JsonText::grow(std::size_t n)
{
  const auto size = text_.size();
  text_.resize(size + n);
  return text_.data() + size;
}

char* JsonText::begin_line(char* to) const
{
  if (!lines_) return to;
  *to++ = '\n';
  return std::fill_n(to, k_indent * depth_, ' ');
}

void JsonText::item()
{
  auto* to = grow(line_size() + (first_ ? 0 : 1));
  if (!first_) *to++ = ',';
  begin_line(to);
  first_ = false;
}

JsonText& JsonText::key(std::string_view name)
{
  const std::string_view end = lines_ ? "\": " : "\":";
  auto* to = grow((first_ ? 0 : 1) + line_size() + 1 + name.size() + end.size());
  if (!first_) *to++ = ',';
  to = begin_line(to);
  *to++ = '"';
  to = std::copy(name.begin(), name.end(), to);
  std::copy(end.begin(), end.end(), to);
  first_ = false;
  return *this;
}

void JsonText::whole(std::uint64_t value)
{
  std::array<char, 24> digits{};
  text_.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

void JsonText::number(double value, int decimals)
{
  // Numbers of up to 15 digits are read back as they were written.
  constexpr std::array<double, 7> powers{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
  constexpr double most = 1e15;
  const auto power = powers[static_cast<std::size_t>(decimals)];
  const auto scaled = std::round(value * power);
  if (!(scaled > 0 && scaled < most)) {  // none, negative, huge
    text_ += nlohmann::ordered_json(scaled / power).dump();
    return;
  }
  const auto digits = static_cast<std::uint64_t>(scaled), unit = static_cast<std::uint64_t>(power);
  whole(digits / unit);
  text_ += '.';
  std::array<char, powers.size()> after{'0'};
  auto n = static_cast<std::size_t>(decimals);
  for (auto rest = digits % unit; n > 0; rest /= 10) after[--n] = static_cast<char>('0' + rest % 10);
  for (n = std::max<std::size_t>(1, static_cast<std::size_t>(decimals)); n > 1 && after[n - 1] == '0';) --n;
  text_.append(after.data(), n);
}

void JsonText::string(std::string_view value)
{
  if (!std::ranges::all_of(value, needs_no_escape)) {
    text_ += dump(value, -1);
    return;
  }
  text_ += '"';
  text_ += value;
  text_ += '"';
}

void JsonText::string_or_null(std::string_view value)
{
  if (value.empty()) null();
  else string(value);
}

void JsonText::strings(const std::vector<std::string>& values)
{
  open('[');
  for (const auto& v : values) {
    item();
    string(v);
  }
  close(']');
}

void JsonText::value(const nlohmann::ordered_json& value)
{
  const auto dumped = dump(value, lines_ ? static_cast<int>(k_indent) : -1);
  for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    end = dumped.find('\n', begin);
    text_ += std::string_view(dumped).substr(begin, end == std::string::npos ? end : end - begin);
    if (end != std::string::npos) begin_line(grow(line_size()));
  }
}

}  // namespace canirun
