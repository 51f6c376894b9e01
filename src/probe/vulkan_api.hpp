#pragma once

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan.h>

#include <optional>
#include <vector>

#include "canirun/core/result.hpp"

namespace canirun {

/// The Vulkan loader, opened at run time (CANIRUN_VULKAN_LIB or libvulkan.so.1). Used in child processes only.
struct VulkanApi {
  PFN_vkGetInstanceProcAddr get_instance_proc = nullptr;
  PFN_vkEnumeratePhysicalDevices enumerate = nullptr;
  PFN_vkGetPhysicalDeviceProperties get_properties = nullptr;
  PFN_vkGetPhysicalDeviceProperties2 get_properties2 = nullptr;  ///< Null before Vulkan 1.1.
  PFN_vkGetPhysicalDeviceMemoryProperties get_memory = nullptr;
  PFN_vkGetPhysicalDeviceMemoryProperties2 get_memory2 = nullptr;

  /// `unavailable` when there is no loader.
  static Result<VulkanApi> open();
  /// An instance without layers or surfaces; fills the functions above. `unavailable` with what the loader answered.
  /// `result` is what the loader answered.
  Result<VkInstance> create_instance(VkResult& result);
  Result<std::vector<VkPhysicalDevice>> devices(VkInstance instance) const;
};

/// Bandwidth of a copy within the device's memory, bytes read plus bytes written a second: a lower bound of what the memory can do.
/// Nothing when the device cannot be used or has too little memory left. Takes up to a few seconds.
std::optional<double> measure_copy(const VulkanApi& vk, VkInstance instance, VkPhysicalDevice device);

}  // namespace canirun
