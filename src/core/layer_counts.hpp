#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace canirun {

/// How many layers of each kind each device has: sums over layers are sums over kinds.
class LayerCounts {
 public:
  /// `device_of(il)`: index of the device of each layer that `kind_of` tells of.
  template <typename DeviceOf>
  LayerCounts(std::span<const std::uint32_t> kind_of, std::size_t n_kinds, std::size_t n_devices, DeviceOf device_of)
      : n_kinds_(n_kinds), counts_(n_kinds * n_devices)
  {
    for (std::uint32_t il = 0; il < kind_of.size(); ++il) ++counts_[device_of(il) * n_kinds_ + kind_of[il]];
  }

  std::uint32_t on(std::size_t device, std::size_t kind) const { return counts_[device * n_kinds_ + kind]; }

 private:
  std::size_t n_kinds_;
  std::vector<std::uint32_t> counts_;
};

}  // namespace canirun
