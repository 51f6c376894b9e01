#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "json_tree.hpp"

/// \file
/// Turns JSON values into fields and keeps the first problem, named by file, position, entry and field.

namespace canirun {

class FieldReader {
 public:
  explicit FieldReader(const JsonDocument& document) : doc_(document) {}

  /// Starts an entry; its name appears in messages.
  void entry(std::string_view name) { entry_ = name; }
  bool ok() const { return !problem_; }
  const std::string& problem() const { return *problem_; }
  /// The field of the problem, "" when it concerns the whole entry; and the problem without file, entry and field, but with its place.
  const std::string& field() const { return field_; }
  const std::string& message() const { return message_; }

  bool wrong(const JsonNode& node, std::string_view what)
  {
    if (!problem_) {
      field_ = node.key;
      message_ = fmt::format("{}: {}", doc_.where(node), what);
      problem_ = fmt::format("{}: {}{}{}{}{}", doc_.where(node), entry_.empty() ? "" : "'", entry_,
                             entry_.empty() ? "" : "': ", node.key.empty() ? "" : fmt::format("field '{}': ", node.key), what);
    }
    return false;
  }
  bool expected(const JsonNode& node, std::string_view what)
  {
    return wrong(node, fmt::format("{} is expected, this is {}", what, name(node.kind)));
  }

  bool read(const JsonNode& node, std::uint64_t& out)
  {
    if (node.kind != JsonKind::whole) return expected(node, "a whole number of at least 0");
    out = node.whole;
    return true;
  }
  bool read(const JsonNode& node, std::uint32_t& out)
  {
    if (node.kind != JsonKind::whole) return expected(node, "a whole number of at least 0");
    if (node.whole > UINT32_MAX) return wrong(node, fmt::format("{} is too large", node.whole));
    out = static_cast<std::uint32_t>(node.whole);
    return true;
  }
  bool read(const JsonNode& node, double& out)
  {
    if (node.kind != JsonKind::whole && node.kind != JsonKind::real) return expected(node, "a number");
    out = node.real;
    return true;
  }
  bool read(const JsonNode& node, bool& out)
  {
    if (node.kind != JsonKind::boolean) return expected(node, "true or false");
    out = node.whole != 0;
    return true;
  }
  bool read(const JsonNode& node, std::string& out)
  {
    if (node.kind != JsonKind::string) return expected(node, "a string");
    out = node.string;
    return true;
  }
  template <typename T>
  bool read(const JsonNode& node, std::vector<T>& out)
  {
    if (node.kind != JsonKind::array) return expected(node, "a list");
    out.clear();
    out.reserve(node.size);
    for (const auto* item = doc_.first(node); item; item = doc_.next(*item)) {
      T value{};
      if (!read(*item, value)) return false;
      out.push_back(std::move(value));
    }
    return true;
  }
  template <typename T>
  bool read(const JsonNode& node, std::optional<T>& out)
  {
    if (node.kind == JsonKind::null) return out.reset(), true;
    return read(node, out.emplace());
  }
  /// One of `names`; the position in the table is the value.
  template <typename E>
  bool read_enum(const JsonNode& node, std::span<const std::string_view> names, E& out)
  {
    if (node.kind != JsonKind::string) return expected(node, "a string");
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == node.string) return out = static_cast<E>(i), true;
    }
    return wrong(node, fmt::format("'{}' is not one of {}", node.string, fmt::join(names, ", ")));
  }

  const JsonDocument& document() const { return doc_; }

 private:
  const JsonDocument& doc_;
  std::string entry_;
  std::optional<std::string> problem_;
  std::string message_;
  std::string field_;
};

}  // namespace canirun
