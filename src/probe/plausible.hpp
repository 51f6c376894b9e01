#pragma once

#include "canirun/core/units.hpp"

/// \file
/// What no machine has. A figure beyond these limits is dropped, never the device that reported it.

namespace canirun {

/// The largest systems of one memory space hold 64 TiB (HPE Superdome Flex: 48 TiB); zero means that the driver does not know.
inline constexpr Bytes k_size_limit{64ULL << 40};
constexpr bool plausible_size(Bytes b) { return b.count > 0 && b <= k_size_limit; }

/// The fastest memory of 2026 moves 8 TB/s (HBM3e); 20 TB/s leaves room for the next generation.
inline constexpr double k_bandwidth_limit = 20e12;
constexpr bool plausible_bandwidth(double bytes_per_second)
{
  return bytes_per_second >= 1e8 && bytes_per_second <= k_bandwidth_limit;
}

}  // namespace canirun
