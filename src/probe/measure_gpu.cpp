#include <algorithm>
#include <array>
#include <chrono>

#include "probe/vulkan_api.hpp"

/// \file
/// Bandwidth of a GPU's memory by copies on a compute queue. It runs in the Vulkan child, which ends without taking anything down:
/// the kernel frees what a process leaves.

namespace canirun {

namespace {

constexpr VkDeviceSize k_largest = 512ULL << 20U, k_smallest = 64ULL << 20U;
// A copy that takes this long is beyond start-up costs and, at any rate that is this slow, beyond caches: no larger one is needed.
constexpr double k_long_enough = 0.020;
constexpr std::uint64_t k_timeout_ns = 3'000'000'000;

struct Queue {
  std::uint32_t family = UINT32_MAX;
  bool timestamps = false;
};

/// Loads a function of the instance or of the device under its own name.
#define CANIRUN_LOAD(get, owner, name) const auto name = reinterpret_cast<PFN_##name>(get(owner, #name))

class Copier {
 public:
  Copier(const VulkanApi& vk, VkInstance instance, VkPhysicalDevice physical) : vk_(vk), instance_(instance), physical_(physical)
  {
  }

  std::optional<double> run()
  {
    if (!create_device()) return std::nullopt;
    for (VkDeviceSize size = k_largest; size >= k_smallest; size /= 2) {
      if (create_buffers(size)) return best_of_three(size);
    }
    return std::nullopt;
  }

 private:
  bool create_device()
  {
    CANIRUN_LOAD(vk_.get_instance_proc, instance_, vkGetPhysicalDeviceQueueFamilyProperties);
    CANIRUN_LOAD(vk_.get_instance_proc, instance_, vkCreateDevice);
    get_device_proc_ = reinterpret_cast<PFN_vkGetDeviceProcAddr>(vk_.get_instance_proc(instance_, "vkGetDeviceProcAddr"));
    if (vkGetPhysicalDeviceQueueFamilyProperties == nullptr || vkCreateDevice == nullptr || get_device_proc_ == nullptr)
      return false;
    std::uint32_t count = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(physical_, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(std::min(count, 32U));
    count = static_cast<std::uint32_t>(families.size());
    vkGetPhysicalDeviceQueueFamilyProperties(physical_, &count, families.data());
    for (std::uint32_t i = 0; i < count; ++i) {
      if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) continue;
      const bool timestamps = families[i].timestampValidBits > 0;
      if (queue_.family == UINT32_MAX || (timestamps && !queue_.timestamps)) queue_ = {i, timestamps};
    }
    if (queue_.family == UINT32_MAX) return false;
    const float priority = 1.0F;
    VkDeviceQueueCreateInfo queue{};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueFamilyIndex = queue_.family;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    return vkCreateDevice(physical_, &info, nullptr, &device_) == VK_SUCCESS;
  }

  /// Memory of the device for one buffer; false when there is not enough.
  bool create_buffer(VkDeviceSize size, VkBuffer& buffer)
  {
    CANIRUN_LOAD(get_device_proc_, device_, vkCreateBuffer);
    CANIRUN_LOAD(get_device_proc_, device_, vkGetBufferMemoryRequirements);
    CANIRUN_LOAD(get_device_proc_, device_, vkAllocateMemory);
    CANIRUN_LOAD(get_device_proc_, device_, vkBindBufferMemory);
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = size;
    info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    if (vkCreateBuffer(device_, &info, nullptr, &buffer) != VK_SUCCESS) return false;
    VkMemoryRequirements needs{};
    vkGetBufferMemoryRequirements(device_, buffer, &needs);
    VkPhysicalDeviceMemoryProperties memory{};
    vk_.get_memory(physical_, &memory);
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(memory.memoryTypeCount, VK_MAX_MEMORY_TYPES); ++i) {
      if (((needs.memoryTypeBits >> i) & 1U) == 0 ||
          (memory.memoryTypes[i].propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) == 0)
        continue;
      VkMemoryAllocateInfo allocation{};
      allocation.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
      allocation.allocationSize = needs.size;
      allocation.memoryTypeIndex = i;
      VkDeviceMemory held = nullptr;
      if (vkAllocateMemory(device_, &allocation, nullptr, &held) != VK_SUCCESS) continue;
      held_.push_back(held);
      return vkBindBufferMemory(device_, buffer, held, 0) == VK_SUCCESS;
    }
    return false;
  }

  bool create_buffers(VkDeviceSize size)
  {
    if (create_buffer(size, from_) && create_buffer(size, to_)) return true;
    CANIRUN_LOAD(get_device_proc_, device_, vkFreeMemory);
    for (auto* held : held_) vkFreeMemory(device_, held, nullptr);
    held_.clear();
    return false;
  }

  std::optional<double> best_of_three(VkDeviceSize size)
  {
    CANIRUN_LOAD(get_device_proc_, device_, vkGetDeviceQueue);
    CANIRUN_LOAD(get_device_proc_, device_, vkCreateCommandPool);
    CANIRUN_LOAD(get_device_proc_, device_, vkAllocateCommandBuffers);
    CANIRUN_LOAD(get_device_proc_, device_, vkCreateQueryPool);
    CANIRUN_LOAD(get_device_proc_, device_, vkCreateFence);
    VkQueue queue = nullptr;
    vkGetDeviceQueue(device_, queue_.family, 0, &queue);
    VkCommandPoolCreateInfo pool_info{};
    pool_info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool_info.queueFamilyIndex = queue_.family;
    VkCommandPool pool = nullptr;
    if (vkCreateCommandPool(device_, &pool_info, nullptr, &pool) != VK_SUCCESS) return std::nullopt;
    VkQueryPoolCreateInfo query_info{};
    query_info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
    query_info.queryType = VK_QUERY_TYPE_TIMESTAMP;
    query_info.queryCount = 2;
    if (queue_.timestamps && vkCreateQueryPool(device_, &query_info, nullptr, &queries_) != VK_SUCCESS) queue_.timestamps = false;
    double best = 0;
    // What is copied grows until the copy is long enough, so that a slow or busy device is not asked for seconds of work. Each size
    // is filled first, which is not counted: it touches both buffers.
    VkDeviceSize region = k_smallest;
    bool fill = true;
    for (int counted = 0; counted < 3;) {
      VkCommandBufferAllocateInfo command_info{};
      command_info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
      command_info.commandPool = pool;
      command_info.commandBufferCount = 1;
      VkCommandBuffer commands = nullptr;
      VkFenceCreateInfo fence_info{};
      fence_info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
      VkFence fence = nullptr;
      if (vkAllocateCommandBuffers(device_, &command_info, &commands) != VK_SUCCESS) return std::nullopt;
      if (vkCreateFence(device_, &fence_info, nullptr, &fence) != VK_SUCCESS) return std::nullopt;
      const auto seconds = copy(queue, commands, fence, region, fill);
      if (!seconds) return std::nullopt;
      if (fill) {
        fill = false;
      } else if (*seconds < k_long_enough && region < size) {
        region *= 2;
        fill = true;
      } else {
        best = std::max(best, 2.0 * static_cast<double>(region) / *seconds);
        ++counted;
      }
    }
    return best > 0 ? std::optional(best) : std::nullopt;
  }

  std::optional<double> copy(VkQueue queue, VkCommandBuffer commands, VkFence fence, VkDeviceSize size, bool fill)
  {
    CANIRUN_LOAD(get_device_proc_, device_, vkBeginCommandBuffer);
    CANIRUN_LOAD(get_device_proc_, device_, vkEndCommandBuffer);
    CANIRUN_LOAD(get_device_proc_, device_, vkCmdFillBuffer);
    CANIRUN_LOAD(get_device_proc_, device_, vkCmdCopyBuffer);
    CANIRUN_LOAD(get_device_proc_, device_, vkCmdResetQueryPool);
    CANIRUN_LOAD(get_device_proc_, device_, vkCmdWriteTimestamp);
    CANIRUN_LOAD(get_device_proc_, device_, vkQueueSubmit);
    CANIRUN_LOAD(get_device_proc_, device_, vkWaitForFences);
    CANIRUN_LOAD(get_device_proc_, device_, vkGetQueryPoolResults);
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    if (vkBeginCommandBuffer(commands, &begin) != VK_SUCCESS) return std::nullopt;
    const VkBufferCopy region{0, 0, size};
    if (queue_.timestamps) {
      vkCmdResetQueryPool(commands, queries_, 0, 2);
      vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, queries_, 0);
    }
    if (fill) {
      vkCmdFillBuffer(commands, from_, 0, size, 0x5a5a1234U);
      vkCmdFillBuffer(commands, to_, 0, size, 0);
    } else {
      vkCmdCopyBuffer(commands, from_, to_, 1, &region);
    }
    if (queue_.timestamps) vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, queries_, 1);
    if (vkEndCommandBuffer(commands) != VK_SUCCESS) return std::nullopt;
    VkSubmitInfo submit{};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    const auto start = std::chrono::steady_clock::now();
    if (vkQueueSubmit(queue, 1, &submit, fence) != VK_SUCCESS) return std::nullopt;
    if (vkWaitForFences(device_, 1, &fence, VK_TRUE, k_timeout_ns) != VK_SUCCESS) return std::nullopt;
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    std::array<std::uint64_t, 2> ticks{};
    const bool read =
        queue_.timestamps && vkGetQueryPoolResults(device_, queries_, 0, 2, sizeof ticks, ticks.data(), sizeof ticks[0],
                                                   VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT) == VK_SUCCESS;
    VkPhysicalDeviceProperties properties{};
    vk_.get_properties(physical_, &properties);
    const double by_device = read && ticks[1] > ticks[0] ? static_cast<double>(ticks[1] - ticks[0]) *
                                                               static_cast<double>(properties.limits.timestampPeriod) * 1e-9
                                                         : 0;
    // A device's clock that runs wrong must not make memory faster than the wall clock allows by far.
    return by_device > 0.25 * wall.count() && by_device <= wall.count() ? by_device : wall.count();
  }

  const VulkanApi& vk_;
  VkInstance instance_;
  VkPhysicalDevice physical_;
  PFN_vkGetDeviceProcAddr get_device_proc_ = nullptr;
  VkDevice device_ = nullptr;
  Queue queue_;
  VkQueryPool queries_ = nullptr;
  VkBuffer from_ = nullptr, to_ = nullptr;
  std::vector<VkDeviceMemory> held_;
};

#undef CANIRUN_LOAD

}  // namespace

std::optional<double> measure_copy(const VulkanApi& vk, VkInstance instance, VkPhysicalDevice device)
{
  return Copier(vk, instance, device).run();
}

}  // namespace canirun
