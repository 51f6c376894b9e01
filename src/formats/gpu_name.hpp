#pragma once

#include <optional>
#include <string>
#include <string_view>

/// \file
/// Names of graphics cards as people and drivers write them, reduced to what tells cards apart.

namespace canirun {

/// A name in three strengths. "NVIDIA GeForce RTX 4090 Laptop GPU" and "RTX 4090 Mobile" have the same `key`.
struct GpuName {
  std::string key;            ///< Folded; vendor and brand words dropped, laptop = mobile = Max-Q.
  std::string base;           ///< The same without sizes and without what stands in brackets: versions of one card share it.
  std::optional<double> gib;  ///< A memory size in the name ("RTX 3060 12GB").
};

GpuName parse_gpu_name(std::string_view text);

}  // namespace canirun
