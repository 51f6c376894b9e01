#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "json_tree.hpp"

namespace canirun {

/// Fields of a config.json. The part about text ("text_config" and its like) goes before the whole; each fact has several names.
/// Keeps the first problem: file, position, key.
class ConfigKeys {
 public:
  using Names = std::initializer_list<std::string_view>;

  explicit ConfigKeys(const JsonDocument& document) : doc_(document), parts_{&document.root()}
  {
    for (const auto* part : {"thinker_config", "text_config", "llm_config", "language_config", "language_model_config"}) {
      if (const auto* inner = doc_.find(*parts_.front(), part); inner && inner->kind == JsonKind::object)
        parts_.insert(parts_.begin(), inner);
    }
  }

  /// The first of the names that is there and not null.
  const JsonNode* find(Names names) const
  {
    for (const auto* part : parts_) {
      for (const auto name : names) {
        const auto* node = doc_.find(*part, name);
        if (node && node->kind != JsonKind::null) return node;
      }
    }
    return nullptr;
  }
  /// A member of an object field: ("rope_scaling", "type").
  const JsonNode* find_in(std::string_view object, Names names) const
  {
    const auto* outer = find({object});
    if (!outer || outer->kind != JsonKind::object) return nullptr;
    for (const auto name : names) {
      const auto* node = doc_.find(*outer, name);
      if (node && node->kind != JsonKind::null) return node;
    }
    return nullptr;
  }

  std::uint32_t u32(Names names, std::uint32_t otherwise = 0)
  {
    const auto* node = find(names);
    return node ? number(*node, otherwise) : otherwise;
  }
  std::uint32_t u32_in(std::string_view object, Names names, std::uint32_t otherwise = 0)
  {
    const auto* node = find_in(object, names);
    return node ? number(*node, otherwise) : otherwise;
  }
  std::uint32_t required(Names names)
  {
    if (!find(names)) problem(fmt::format("{}: field '{}' is missing", doc_.file(), *names.begin()));
    return u32(names);
  }
  bool boolean(Names names, bool otherwise)
  {
    const auto* node = find(names);
    if (!node) return otherwise;
    if (node->kind != JsonKind::boolean) return wrong(*node, "is not true or false"), otherwise;
    return node->whole != 0;
  }
  double real(Names names, double otherwise)
  {
    const auto* node = find(names);
    if (!node) return otherwise;
    if (node->kind != JsonKind::whole && node->kind != JsonKind::real) return wrong(*node, "is not a number"), otherwise;
    return node->real;
  }
  std::vector<std::uint32_t> list(Names names)
  {
    const auto* node = find(names);
    std::vector<std::uint32_t> out;
    if (!node || node->kind != JsonKind::array) return out;
    for (const auto* item = doc_.first(*node); item; item = doc_.next(*item)) out.push_back(number(*item, 0));
    return out;
  }
  std::vector<std::string_view> strings(Names names) const
  {
    const auto* node = find(names);
    std::vector<std::string_view> out;
    if (!node || node->kind != JsonKind::array) return out;
    for (const auto* item = doc_.first(*node); item; item = doc_.next(*item)) out.push_back(item->string);
    return out;
  }
  std::string_view string(Names names) const
  {
    const auto* node = find(names);
    return node ? node->string : std::string_view{};
  }

  /// Members of an object; 0 = it is not there.
  std::uint32_t count(Names names) const
  {
    const auto* node = find(names);
    std::uint32_t n = 0;
    for (const auto* item = node ? doc_.first(*node) : nullptr; item; item = doc_.next(*item)) ++n;
    return n;
  }
  /// One of the model's classes ends in this.
  bool has_class(std::string_view suffix) const
  {
    const auto names = strings({"architectures"});
    return std::ranges::any_of(names, [&](std::string_view name) { return name.ends_with(suffix); });
  }

  void wrong(const JsonNode& node, std::string_view what)
  {
    problem(fmt::format("{}: field '{}' {}", doc_.where(node), node.key, what));
  }
  const std::optional<std::string>& problem() const { return problem_; }
  const JsonDocument& document() const { return doc_; }

 private:
  void problem(std::string text)
  {
    if (!problem_) problem_ = std::move(text);
  }
  std::uint32_t number(const JsonNode& node, std::uint32_t otherwise)
  {
    // Some configs write whole numbers as 4096.0.
    const bool whole = (node.kind == JsonKind::whole || node.kind == JsonKind::real) && node.real >= 0 &&
                       node.real <= 4294967295.0 && std::floor(node.real) == node.real;
    if (!whole) return wrong(node, "is not a whole number of at least 0"), otherwise;
    return static_cast<std::uint32_t>(node.real);
  }

  const JsonDocument& doc_;
  std::vector<const JsonNode*> parts_;
  std::optional<std::string> problem_;
};

}  // namespace canirun
