#include "canirun/formats/profile_records.hpp"

#include <string_view>

namespace canirun {

namespace {

std::string_view trimmed(std::string_view text)
{
  constexpr std::string_view k_space = " \t\r\n";
  const auto from = text.find_first_not_of(k_space);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(k_space) - from + 1);
}

/// How deep the braces are after some lines; what stands in strings does not count.
class Depth {
 public:
  /// True once everything that was opened is closed.
  bool closed_after(std::string_view line)
  {
    for (const char c : line) {
      if (in_string_) {
        if (escaped_) escaped_ = false;
        else if (c == '\\') escaped_ = true;
        else if (c == '"') in_string_ = false;
      } else if (c == '"') {
        in_string_ = true;
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if (c == '}' || c == ']') {
        --depth_;
      }
    }
    in_string_ = escaped_ = false;  // JSON strings end on their line
    return depth_ <= 0;
  }

 private:
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false;
};

}  // namespace

Result<std::optional<ProfileRecords::Line>> ProfileRecords::next_line()
{
  if (pushed_back_) {
    std::optional<Line> line;
    line.swap(pushed_back_);
    return line;
  }
  Line line;
  bool any = false;
  for (;;) {
    if (at_ == buffer_.size() && !ended_) {
      buffer_.resize(std::size_t{64} << 10);
      const auto n = read_(buffer_.data(), buffer_.size());
      if (!n) return tl::unexpected(n.error());
      buffer_.resize(*n);
      at_ = 0;
      ended_ = *n == 0;
    }
    if (at_ == buffer_.size()) break;
    any = true;
    const auto end = buffer_.find('\n', at_);
    const auto size = (end == std::string::npos ? buffer_.size() : end) - at_;
    if (line.text.size() + size > k_largest) line.too_long = true;
    if (line.too_long) line.text.clear();
    else line.text.append(buffer_, at_, size);
    at_ += size + (end == std::string::npos ? 0 : 1);
    if (end != std::string::npos) break;
  }
  if (!any) return std::nullopt;
  line.number = ++lines_;
  return line;
}

/// Lines up to the one that `ends` it, or the end; a line that is only "{" starts another profile.
Result<std::optional<ProfileRecord>> ProfileRecords::rest_of(Line first, const std::function<bool(const std::string&)>& ends)
{
  ProfileRecord record{std::move(first.text), first.number, false};
  for (;;) {
    auto line = next_line();
    if (!line) return tl::unexpected(line.error());
    if (!*line) break;
    if (!document_ && (*line)->text.starts_with('{')) {
      pushed_back_ = std::move(**line);
      break;
    }
    const bool last = ends((*line)->text);
    record.too_long = record.too_long || (*line)->too_long || record.text.size() + (*line)->text.size() > k_largest;
    if (record.too_long) record.text.clear();
    else record.text.append("\n").append((*line)->text);
    if (last) break;
  }
  return record;
}

Result<std::optional<ProfileRecord>> ProfileRecords::next()
{
  for (;;) {
    auto line = next_line();
    if (!line) return tl::unexpected(line.error());
    if (!*line) return std::nullopt;
    auto& first = **line;
    if (first.too_long) return ProfileRecord{{}, first.number, true};
    if (trimmed(first.text).empty()) continue;
    Depth depth;
    if (depth.closed_after(first.text)) return ProfileRecord{std::move(first.text), first.number, false};
    if (document_) return rest_of(std::move(first), [&](const std::string& text) { return depth.closed_after(text); });
    // In a stream a line that is not whole is broken, but for the first of a profile as `probe` prints it.
    if (trimmed(first.text) != "{") return ProfileRecord{std::move(first.text), first.number, false};
    return rest_of(std::move(first), [](const std::string& text) { return text.starts_with('}'); });
  }
}

}  // namespace canirun
