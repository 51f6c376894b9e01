#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
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
  void number(double value);
  void string(std::string_view value);
  void string_or_null(std::string_view value);
  void strings(const std::vector<std::string>& values);
  /// Any other value.
  void value(const nlohmann::ordered_json& value);
  /// A list of values that were written elsewhere, at the depth that they have here.
  void written(std::vector<std::string> values);

  std::size_t depth() const { return depth_; }
  std::string take() { return std::move(text_); }

 private:
  void line();

  std::string text_;
  bool lines_;
  std::size_t depth_;
  bool first_ = true;
};

}  // namespace canirun
