#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/result.hpp"

/// \file
/// Names of graphics cards as people and drivers write them, reduced to what tells cards apart.

namespace canirun {

/// A name in three strengths. "NVIDIA GeForce RTX 4090 Laptop GPU" and "RTX 4090 Mobile" have the same `key`.
struct GpuName {
  std::string key;            ///< Folded; vendor and brand words dropped, laptop = mobile = Max-Q.
  std::string base;           ///< The same without sizes, core counts and what stands in brackets: versions of one card share it.
  std::vector<std::string> words{};  ///< Those of `base`, one by one.
  std::optional<double> gib;  ///< A memory size in the name ("RTX 3060 12GB").
};

GpuName parse_gpu_name(std::string_view text);

/// "12gb", "24g", "80gib" (lower case): a size in GiB, as names of cards state it.
std::optional<double> size_word(std::string_view word);

/// What a user typed: how many, which, and with how much memory.
struct GpuQuery {
  std::uint32_t count = 1;
  std::string_view name;
  std::optional<double> gib;
};

/// "2x RTX 3090", "3090 x2", "RTX 3090:24G". Errors: the count or the size is not one.
Result<GpuQuery> parse_gpu_query(std::string_view text);

}  // namespace canirun
