// A Vulkan driver that has the devices of devices.json beside it, for the real loader. Modes: crash, abort, hang (while the instance
// is made), crash_late (while the last device is asked for its memory), init_fail, noise (prints while it works).
#define VK_NO_PROTOTYPES
#include <unistd.h>
#include <vulkan/vk_icd.h>
#include <vulkan/vulkan.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>

#include "beside.hpp"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using nlohmann::json;

/// Objects that the loader dispatches on begin with its magic word.
struct Object {
  VK_LOADER_DATA loader{};
  json data{};
};

Object g_instance;
std::deque<Object> g_devices;
json g_file;

const Object& object(VkPhysicalDevice device) { return *reinterpret_cast<const Object*>(device); }

void copy(char* to, std::size_t size, const std::string& from)
{
  std::memset(to, 0, size);
  std::memcpy(to, from.data(), std::min(size, from.size()));  // a name of 256 bytes has no end, as a broken driver's
}

unsigned hex(const json& data, const char* key) { return static_cast<unsigned>(std::stoul(data.value(key, "0"), nullptr, 16)); }

void copy_hex(std::uint8_t* to, std::size_t size, const std::string& digits)
{
  for (std::size_t i = 0; i < size && 2 * i + 1 < digits.size(); ++i)
    to[i] = static_cast<std::uint8_t>(std::stoul(digits.substr(2 * i, 2), nullptr, 16));
}

void VKAPI_CALL get_properties(VkPhysicalDevice device, VkPhysicalDeviceProperties* p)
{
  const auto& d = object(device).data;
  *p = {};
  p->apiVersion = VK_API_VERSION_1_3;
  p->vendorID = hex(d, "vendor");
  p->deviceID = hex(d, "device");
  p->deviceType = static_cast<VkPhysicalDeviceType>(d.value("type", 2));
  std::string name = d.value("name", "");
  if (d.contains("name_hex")) {
    name.resize(256);
    copy_hex(reinterpret_cast<std::uint8_t*>(name.data()), name.size(), d["name_hex"]);
  }
  copy(p->deviceName, sizeof p->deviceName, name);
}

void VKAPI_CALL get_properties2(VkPhysicalDevice device, VkPhysicalDeviceProperties2* p)
{
  get_properties(device, &p->properties);
  const auto& d = object(device).data;
  for (auto* next = static_cast<VkBaseOutStructure*>(p->pNext); next != nullptr; next = next->pNext) {
    if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT && d.contains("pci")) {
      auto* pci = reinterpret_cast<VkPhysicalDevicePCIBusInfoPropertiesEXT*>(next);
      std::sscanf(d["pci"].get<std::string>().c_str(), "%x:%x:%x.%x", &pci->pciDomain, &pci->pciBus, &pci->pciDevice,
                  &pci->pciFunction);
    } else if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES) {
      auto* driver = reinterpret_cast<VkPhysicalDeviceDriverProperties*>(next);
      driver->driverID = static_cast<VkDriverId>(d.value("driver_id", 0));
      copy(driver->driverName, sizeof driver->driverName, d.value("driver", ""));
      copy(driver->driverInfo, sizeof driver->driverInfo, d.value("driver_info", ""));
    } else if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES) {
      auto* ids = reinterpret_cast<VkPhysicalDeviceIDProperties*>(next);
      copy_hex(ids->deviceUUID, VK_UUID_SIZE, d.value("uuid", ""));
      ids->deviceLUIDValid = d.contains("luid") ? VK_TRUE : VK_FALSE;
      copy_hex(ids->deviceLUID, VK_LUID_SIZE, d.value("luid", ""));
    }
  }
}

void VKAPI_CALL get_memory(VkPhysicalDevice device, VkPhysicalDeviceMemoryProperties* m)
{
  const auto& o = object(device);
  if (g_file.value("mode", "") == "crash_late" && &o == &g_devices.back()) std::raise(SIGSEGV);
  *m = {};
  const auto heaps = o.data.value("heaps", json::array());
  m->memoryHeapCount = o.data.value("heap_count", static_cast<std::uint32_t>(heaps.size()));
  for (std::size_t i = 0; i < std::min<std::size_t>(heaps.size(), VK_MAX_MEMORY_HEAPS); ++i) {
    m->memoryHeaps[i] = {heaps[i].value("size", std::uint64_t{0}),
                         heaps[i].value("local", false) ? VK_MEMORY_HEAP_DEVICE_LOCAL_BIT : 0U};
  }
}

void VKAPI_CALL get_memory2(VkPhysicalDevice device, VkPhysicalDeviceMemoryProperties2* m)
{
  get_memory(device, &m->memoryProperties);
  const auto heaps = object(device).data.value("heaps", json::array());
  for (auto* next = static_cast<VkBaseOutStructure*>(m->pNext); next != nullptr; next = next->pNext) {
    if (next->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT) continue;
    auto* budget = reinterpret_cast<VkPhysicalDeviceMemoryBudgetPropertiesEXT*>(next);
    for (std::size_t i = 0; i < std::min<std::size_t>(heaps.size(), VK_MAX_MEMORY_HEAPS); ++i) {
      budget->heapBudget[i] = heaps[i].value("budget", std::uint64_t{0});
      budget->heapUsage[i] = heaps[i].value("usage", std::uint64_t{0});
    }
  }
}

VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo*, const VkAllocationCallbacks*, VkInstance* instance)
{
  g_file = read_beside(reinterpret_cast<const void*>(&create_instance), "devices.json");
  const auto mode = g_file.value("mode", "");
  if (mode == "crash") std::raise(SIGSEGV);
  if (mode == "abort") std::abort();
  while (mode == "hang") ::pause();
  if (mode == "init_fail") return VK_ERROR_INITIALIZATION_FAILED;
  if (mode == "noise") {
    for (int i = 0; i < 2000; ++i) std::printf("{\"device\": %d, \"done\": true}\nMESA: warning: something\n", i);
    std::fflush(stdout);
    std::fprintf(stderr, "TU: error: failed to open device\n");
  }
  for (const auto& device : g_file.value("devices", json::array())) {
    auto& o = g_devices.emplace_back();
    set_loader_magic_value(&o.loader);
    o.data = device;
  }
  set_loader_magic_value(&g_instance.loader);
  *instance = reinterpret_cast<VkInstance>(&g_instance);
  return VK_SUCCESS;
}

void VKAPI_CALL destroy_instance(VkInstance, const VkAllocationCallbacks*) {}

VkResult VKAPI_CALL enumerate_devices(VkInstance, std::uint32_t* count, VkPhysicalDevice* devices)
{
  const auto all = static_cast<std::uint32_t>(g_devices.size());
  if (devices != nullptr) {
    *count = std::min(*count, all);
    for (std::uint32_t i = 0; i < *count; ++i) devices[i] = reinterpret_cast<VkPhysicalDevice>(&g_devices[i]);
    return *count < all ? VK_INCOMPLETE : VK_SUCCESS;
  }
  *count = all;
  return VK_SUCCESS;
}

VkResult VKAPI_CALL instance_extensions(const char*, std::uint32_t* count, VkExtensionProperties*)
{
  *count = 0;
  return VK_SUCCESS;
}

VkResult VKAPI_CALL device_extensions(VkPhysicalDevice, const char*, std::uint32_t* count, VkExtensionProperties* list)
{
  constexpr const char* k_names[] = {"VK_EXT_pci_bus_info", "VK_EXT_memory_budget", "VK_KHR_driver_properties"};
  if (list != nullptr) {
    *count = std::min(*count, 3U);
    for (std::uint32_t i = 0; i < *count; ++i) {
      list[i] = {};
      copy(list[i].extensionName, sizeof list[i].extensionName, k_names[i]);
      list[i].specVersion = 1;
    }
  } else {
    *count = 3;
  }
  return VK_SUCCESS;
}

VkResult VKAPI_CALL instance_version(std::uint32_t* version)
{
  *version = VK_API_VERSION_1_3;
  return VK_SUCCESS;
}

void VKAPI_CALL queue_families(VkPhysicalDevice, std::uint32_t* count, VkQueueFamilyProperties* list)
{
  if (list != nullptr && *count > 0) list[0] = {VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT, 1, 64, {1, 1, 1}};
  *count = 1;
}

/// What the loader asks for and the probe never uses.
void VKAPI_CALL nothing() {}
VkResult VKAPI_CALL refuse() { return VK_ERROR_FORMAT_NOT_SUPPORTED; }

template <typename Function>
PFN_vkVoidFunction as_void(Function* function)
{
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

}  // namespace

EXPORT VkResult vk_icdNegotiateLoaderICDInterfaceVersion(std::uint32_t* version)
{
  *version = std::min(*version, 5U);
  return VK_SUCCESS;
}

EXPORT PFN_vkVoidFunction vk_icdGetInstanceProcAddr(VkInstance, const char* name)
{
  const std::string n(name);
  if (n == "vkCreateInstance") return as_void(create_instance);
  if (n == "vkDestroyInstance") return as_void(destroy_instance);
  if (n == "vkEnumerateInstanceExtensionProperties") return as_void(instance_extensions);
  if (n == "vkEnumerateInstanceVersion") return as_void(instance_version);
  if (n == "vkEnumeratePhysicalDevices") return as_void(enumerate_devices);
  if (n == "vkEnumerateDeviceExtensionProperties") return as_void(device_extensions);
  if (n == "vkGetPhysicalDeviceProperties") return as_void(get_properties);
  if (n == "vkGetPhysicalDeviceProperties2") return as_void(get_properties2);
  if (n == "vkGetPhysicalDeviceMemoryProperties") return as_void(get_memory);
  if (n == "vkGetPhysicalDeviceMemoryProperties2") return as_void(get_memory2);
  if (n == "vkGetPhysicalDeviceQueueFamilyProperties") return as_void(queue_families);
  if (n == "vkGetPhysicalDeviceImageFormatProperties") return as_void(refuse);
  for (const char* known : {"vkGetPhysicalDeviceFeatures", "vkGetPhysicalDeviceFormatProperties",
                            "vkGetPhysicalDeviceSparseImageFormatProperties", "vkGetDeviceProcAddr", "vkCreateDevice"}) {
    if (n == known) return as_void(nothing);
  }
  return nullptr;
}
