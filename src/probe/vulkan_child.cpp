#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <fmt/format.h>
#include <vulkan/vulkan.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "probe/child.hpp"
#include "probe/vulkan_api.hpp"

/// \file
/// The child that opens Vulkan. One line names a device before its memory is asked for, a second line holds its heaps: a driver
/// that crashes in between loses that device only.

namespace canirun {

namespace {

using nlohmann::json;

std::string hex(const std::uint8_t* bytes, std::size_t n)
{
  std::string text;
  for (std::size_t i = 0; i < n; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

template <std::size_t N>
std::string text(const char (&characters)[N])
{
  return {characters, ::strnlen(characters, N)};  // a broken driver does not end its strings
}

json describe(const VulkanApi& vk, VkPhysicalDevice device, std::size_t index)
{
  // Chained whether the driver lists the extension or not: it must pass over what it does not know, and the marks below stay.
  VkPhysicalDevicePCIBusInfoPropertiesEXT pci{};
  pci.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT;
  pci.pciDomain = pci.pciBus = UINT32_MAX;
  VkPhysicalDeviceDriverProperties driver{};
  driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
  driver.pNext = &pci;
  VkPhysicalDeviceIDProperties ids{};
  ids.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
  ids.pNext = &driver;
  VkPhysicalDeviceProperties2 properties{};
  properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
  properties.pNext = &ids;
  if (vk.get_properties2 != nullptr) {
    vk.get_properties2(device, &properties);
  } else {
    vk.get_properties(device, &properties.properties);
  }
  const auto& p = properties.properties;
  json line{{"device", index},
            {"name", text(p.deviceName)},
            {"vendor", p.vendorID},
            {"id", p.deviceID},
            {"type", static_cast<int>(p.deviceType)},
            {"api", fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(p.apiVersion), VK_API_VERSION_MINOR(p.apiVersion),
                                VK_API_VERSION_PATCH(p.apiVersion))},
            {"driver_id", static_cast<int>(driver.driverID)},
            {"driver", text(driver.driverName)},
            {"driver_info", text(driver.driverInfo)},
            {"uuid", hex(ids.deviceUUID, VK_UUID_SIZE)}};
  if (ids.deviceLUIDValid == VK_TRUE) line["luid"] = hex(ids.deviceLUID, VK_LUID_SIZE);
  if (pci.pciBus != UINT32_MAX && pci.pciDomain != UINT32_MAX)
    line["pci"] = {pci.pciDomain, pci.pciBus, pci.pciDevice, pci.pciFunction};
  return line;
}

json memory(const VulkanApi& vk, VkPhysicalDevice device, std::size_t index)
{
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{};
  budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
  VkPhysicalDeviceMemoryProperties2 memory{};
  memory.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
  memory.pNext = &budget;
  if (vk.get_memory2 != nullptr) {
    vk.get_memory2(device, &memory);
  } else {
    vk.get_memory(device, &memory.memoryProperties);
  }
  const auto count = memory.memoryProperties.memoryHeapCount;
  json heaps = json::array();
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(count, VK_MAX_MEMORY_HEAPS); ++i) {
    const auto& heap = memory.memoryProperties.memoryHeaps[i];
    heaps.push_back(
        {{"size", heap.size}, {"flags", heap.flags}, {"budget", budget.heapBudget[i]}, {"usage", budget.heapUsage[i]}});
  }
  return {{"memory", index}, {"heap_count", count}, {"heaps", std::move(heaps)}};
}

}  // namespace

Result<VulkanApi> VulkanApi::open()
{
  const char* other = std::getenv("CANIRUN_VULKAN_LIB");
  const bool named = other != nullptr && *other != '\0';
  void* library = ::dlopen(named ? other : "libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fail(ErrorKind::unavailable, ::dlerror());
  VulkanApi vk;
  vk.get_instance_proc = reinterpret_cast<PFN_vkGetInstanceProcAddr>(::dlsym(library, "vkGetInstanceProcAddr"));
  if (vk.get_instance_proc == nullptr) return fail(ErrorKind::unavailable, "the Vulkan loader has no vkGetInstanceProcAddr");
  return vk;
}

Result<VkInstance> VulkanApi::create_instance(VkResult& result)
{
  const auto create = reinterpret_cast<PFN_vkCreateInstance>(get_instance_proc(nullptr, "vkCreateInstance"));
  if (create == nullptr) return fail(ErrorKind::unavailable, "the Vulkan loader has no vkCreateInstance");
  const bool is_1_0 = get_instance_proc(nullptr, "vkEnumerateInstanceVersion") == nullptr;
  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.pApplicationName = "canirun";
  application.apiVersion = is_1_0 ? VK_API_VERSION_1_0 : VK_API_VERSION_1_1;
  VkInstanceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  info.pApplicationInfo = &application;
  VkInstance instance = nullptr;
  result = create(&info, nullptr, &instance);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER) return fail(ErrorKind::unavailable, "no Vulkan driver is installed");
  if (result != VK_SUCCESS)
    return fail(ErrorKind::unavailable, fmt::format("vkCreateInstance answers {}", static_cast<int>(result)));
  const auto load = [&](const char* name) { return get_instance_proc(instance, name); };
  enumerate = reinterpret_cast<PFN_vkEnumeratePhysicalDevices>(load("vkEnumeratePhysicalDevices"));
  get_properties = reinterpret_cast<PFN_vkGetPhysicalDeviceProperties>(load("vkGetPhysicalDeviceProperties"));
  get_memory = reinterpret_cast<PFN_vkGetPhysicalDeviceMemoryProperties>(load("vkGetPhysicalDeviceMemoryProperties"));
  if (!is_1_0) {
    get_properties2 = reinterpret_cast<PFN_vkGetPhysicalDeviceProperties2>(load("vkGetPhysicalDeviceProperties2"));
    get_memory2 = reinterpret_cast<PFN_vkGetPhysicalDeviceMemoryProperties2>(load("vkGetPhysicalDeviceMemoryProperties2"));
  }
  if (enumerate == nullptr || get_properties == nullptr || get_memory == nullptr) {
    return fail(ErrorKind::unavailable, "the Vulkan loader lacks the functions of Vulkan 1.0");
  }
  return instance;
}

Result<std::vector<VkPhysicalDevice>> VulkanApi::devices(VkInstance instance) const
{
  std::uint32_t count = 0;
  auto result = enumerate(instance, &count, nullptr);
  // More devices than any machine has: a driver that lies. Ask for the first ones.
  count = std::min<std::uint32_t>(count, 256);
  std::vector<VkPhysicalDevice> list(count);
  if (result == VK_SUCCESS && count > 0) result = enumerate(instance, &count, list.data());
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
    return fail(ErrorKind::unavailable, fmt::format("vkEnumeratePhysicalDevices answers {}", static_cast<int>(result)));
  }
  list.resize(std::min<std::size_t>(count, list.size()));
  return list;
}

int run_vulkan_child(Measure measure)
{
  ChildOutput out;
  out.write({{"phase", "load"}});
  auto vk = VulkanApi::open();
  if (!vk) {
    out.write({{"error", vk.error().message}, {"absent", true}});
    out.done();
  }
  out.write({{"phase", "instance"}});
  VkResult result = VK_SUCCESS;
  const auto instance = vk->create_instance(result);
  if (!instance) {
    out.write({{"error", instance.error().message}, {"result", -static_cast<int>(result)}});
    out.done();
  }
  out.write({{"phase", "enumerate"}});
  const auto devices = vk->devices(*instance);
  if (!devices) {
    out.write({{"error", devices.error().message}});
    out.done();
  }
  for (std::size_t i = 0; i < devices->size(); ++i) {
    out.write(describe(*vk, (*devices)[i], i));
    out.write(memory(*vk, (*devices)[i], i));
  }
  // Measuring comes last: a driver that fails at it has told everything else.
  for (std::size_t i = 0; measure != Measure::none && i < devices->size(); ++i) {
    VkPhysicalDeviceProperties properties{};
    vk->get_properties((*devices)[i], &properties);
    if (properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU && measure != Measure::software_too) continue;
    if (const auto rate = measure_copy(*vk, *instance, (*devices)[i])) out.write({{"measured", i}, {"bytes_per_second", *rate}});
  }
  out.done();
}

}  // namespace canirun
