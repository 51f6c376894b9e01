#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canirun {

/// A JSON document written value by value: the whole catalogue as one tree of values takes ten times the memory of its text. It looks as
/// nlohmann's dump() leaves it, on lines of two spaces a level or without any space. Invalid UTF-8 from a file or a driver becomes U+FFFD:
/// the document is always valid.
class JsonText {
 public:
  enum class Layout { lines, compact };

  /// `depth`: of the brackets that the text will stand in.
  explicit JsonText(Layout layout = Layout::lines, std::size_t depth = 0) : lines_(layout == Layout::lines), depth_(depth) {}

  void open(char bracket);
  void close(char bracket);
  /// Before a value of a list.
  void item();
  /// Before a value of an object. Names are ours: nothing in them needs escaping.
  JsonText& key(std::string_view name);
  void open_object(std::string_view name) { key(name).open('{'); }
  void open_list(std::string_view name) { key(name).open('['); }

  void null() { text_ += "null"; }
  void flag(bool value) { text_ += value ? "true" : "false"; }
  void whole(std::uint64_t value);
  /// Rounded to a number of decimals: estimates with more digits would only look exact.
  void number(double value, int decimals);
  void string(std::string_view value);
  void string_or_null(std::string_view value);
  void strings(const std::vector<std::string>& values);
  /// Any other value.
  void value(const nlohmann::ordered_json& value);
  /// A value that was written elsewhere, at the depth that it has here.
  void written(std::string_view value) { text_ += value; }

  std::size_t depth() const { return depth_; }
  /// What was written since the last time.
  std::string take() { return std::exchange(text_, {}); }

 private:
  static constexpr std::size_t k_indent = 2;
  std::size_t line_size() const { return lines_ ? 1 + k_indent * depth_ : 0; }
  char* begin_line(char* to) const;  ///< Where what it wrote ends.
  char* grow(std::size_t n);         ///< `n` more characters, to be written.

  std::string text_;
  bool lines_;
  std::size_t depth_;
  bool first_ = true;
};

}  // namespace canirun
