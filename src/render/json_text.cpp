#include "json_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace canirun {

namespace {

constexpr std::size_t k_indent = 2;

std::string dump(const nlohmann::ordered_json& value, int indent)
{
  return value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

bool needs_no_escape(char c) { return c >= ' ' && c < 127 && c != '"' && c != '\\'; }

}  // namespace

void JsonText::line()
{
  if (!lines_) return;
  text_ += '\n';
  text_.append(k_indent * depth_, ' ');
}

void JsonText::open(char bracket)
{
  text_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonText::close(char bracket)
{
  --depth_;
  if (!first_) line();
  text_ += bracket;
  first_ = false;
}

void JsonText::item()
{
  if (!first_) text_ += ',';
  line();
  first_ = false;
}

JsonText& JsonText::key(std::string_view name)
{
  item();
  text_ += '"';
  text_ += name;
  text_ += lines_ ? "\": " : "\":";
  return *this;
}

void JsonText::whole(std::uint64_t value)
{
  std::array<char, 24> digits{};
  text_.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

void JsonText::number(double value) { text_ += nlohmann::ordered_json(value).dump(); }

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
    if (end != std::string::npos) line();
  }
}

void JsonText::written(std::vector<std::string> values)
{
  auto bytes = text_.size() + 4096;
  for (const auto& v : values) bytes += v.size() + k_indent * (depth_ + 1) + 2;
  text_.reserve(bytes);  // so that a long document does not move while it grows
  open('[');
  for (auto& v : values) {
    item();
    text_ += std::exchange(v, {});
  }
  close(']');
}

}  // namespace canirun
