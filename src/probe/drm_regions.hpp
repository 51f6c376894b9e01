#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

/// \file
/// Memory of Intel's GPUs as its kernel drivers list it. Intel has no memory file in sysfs: these ioctls are all there is besides Vulkan.

namespace canirun {

struct DrmRegion {
  bool device_local = false;  ///< The card's own memory; otherwise the system's that the GPU may map.
  std::uint64_t size = 0;     ///< Bytes.
  std::uint64_t free = 0;     ///< Bytes. Without CAP_PERFMON both drivers answer as if nothing were used: then it equals `size`.
};

/// ioctl(2) on a device: 0 or a negative error number. A parameter, so that a test can be the kernel.
using Ioctl = std::function<int(unsigned long request, void* argument)>;

/// Regions by DRM_IOCTL_I915_QUERY (driver "i915") or DRM_IOCTL_XE_DEVICE_QUERY ("xe"); nothing for other drivers and when the kernel
/// does not know the question (i915 before Linux 5.17) or its answer does not hold together.
std::optional<std::vector<DrmRegion>> drm_regions(std::string_view driver, const Ioctl& ioctl);

}  // namespace canirun
