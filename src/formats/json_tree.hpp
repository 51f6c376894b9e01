#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/result.hpp"

/// \file
/// JSON as a flat tree whose nodes know where they stand in the text, so that a finding can name its line, and which is read in one
/// pass without an allocation per value: the whole catalogue is parsed at every start (docs/catalogue.md).

namespace canirun {

enum class JsonKind : std::uint8_t { null, boolean, whole, real, string, array, object };

/// "a whole number", "an object": for messages.
std::string_view name(JsonKind kind);

/// One value. `child` and `next` are indices into the document (0 = none: the root is nobody's child).
struct JsonNode {
  std::string_view key;     ///< Of a member of an object.
  std::string_view string;  ///< Of a string, unescaped.
  double real = 0;          ///< Of any number.
  std::uint64_t whole = 0;  ///< Of a non-negative number without fraction or exponent; of a boolean 0 or 1.
  std::uint32_t offset = 0;
  std::uint32_t child = 0;
  std::uint32_t next = 0;
  std::uint32_t size = 0;  ///< Children of an array or object.
  JsonKind kind = JsonKind::null;
};

/// A parsed text. Views in the nodes point into the text given to `parse`, which must outlive the document.
class JsonDocument {
 public:
  /// `file` names the input in messages: "FILE:LINE:COLUMN: what is wrong". Nesting is limited to 64 levels, a text to 32 MiB and two million values;
  /// NaN and numbers beyond a double are refused, and so are bytes after the value, broken escapes and repeated keys.
  static Result<JsonDocument> parse(std::string_view text, std::string_view file);

  /// An element of a list, with its document; false ends the parse, without an error.
  using Visit = std::function<bool(const JsonDocument&, const JsonNode&)>;
  /// The same, but elements of the list that the root has under `list` are shown to `visit` one by one and not kept: a catalogue then
  /// touches the memory of one entry, not of all, and first touches of pages are half the time of a start.
  static Result<JsonDocument> parse(std::string_view text, std::string_view file, std::string_view list, const Visit& visit);

  const JsonNode& root() const { return nodes_.front(); }
  const JsonNode* first(const JsonNode& parent) const { return parent.child ? &nodes_[parent.child] : nullptr; }
  const JsonNode* next(const JsonNode& node) const { return node.next ? &nodes_[node.next] : nullptr; }
  /// The member called `key`, or nothing.
  const JsonNode* find(const JsonNode& object, std::string_view key) const;

  std::string_view file() const { return file_; }
  /// "FILE:12:7" of a node.
  std::string where(const JsonNode& node) const;

 private:
  friend class JsonParser;
  static Result<JsonDocument> parse(std::string_view text, std::string_view file, std::string_view list, const Visit* visit);
  std::string_view text_;
  std::string file_;
  std::vector<JsonNode> nodes_;
  std::deque<std::string> unescaped_;
};

}  // namespace canirun
