#pragma once

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan.h>

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
  Result<VkInstance> create_instance();
  Result<std::vector<VkPhysicalDevice>> devices(VkInstance instance) const;
};

}  // namespace canirun
