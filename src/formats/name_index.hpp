#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "canirun/formats/catalogue.hpp"

namespace canirun {

/// Which entry owns a name; names are compared folded.
class NameIndex {
 public:
  /// Gives `name` to entry `i`. Returns the owner when it belongs to another entry already; that one keeps it.
  std::optional<std::size_t> claim(std::string_view name, std::size_t i)
  {
    const auto [owner, added] = owners_.try_emplace(fold(name), i);
    if (added || owner->second == i) return {};
    return owner->second;
  }

  std::optional<std::size_t> find(std::string_view name) const
  {
    const auto owner = owners_.find(fold(name));
    if (owner == owners_.end()) return {};
    return owner->second;
  }

 private:
  std::unordered_map<std::string, std::size_t> owners_;
};

}  // namespace canirun
