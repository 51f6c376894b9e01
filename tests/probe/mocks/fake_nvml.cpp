// NVIDIA's management library with the cards of nvml.json beside it. A key that is missing answers NOT_SUPPORTED.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>

#include "beside.hpp"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using nlohmann::json;

constexpr int k_success = 0, k_not_supported = 3;

json g_file;
std::deque<json> g_handles;

const json& card(void* device) { return *static_cast<const json*>(device); }

void* handle(const json& data)
{
  g_handles.push_back(data);
  return &g_handles.back();
}

int text(const json& value, char* buffer, unsigned size)
{
  if (!value.is_string()) return k_not_supported;
  std::memset(buffer, 0, size);
  const auto s = value.get<std::string>();
  std::memcpy(buffer, s.data(), std::min<std::size_t>(size - 1, s.size()));
  return k_success;
}

template <typename T>
int number(const json& data, const char* key, T* out)
{
  if (!data.contains(key)) return k_not_supported;
  *out = data[key].get<T>();
  return k_success;
}

unsigned long long mib(const json& data, const char* key)
{
  return static_cast<unsigned long long>(data.value(key, 0.0) * 1048576.0);
}

}  // namespace

EXPORT int nvmlInit_v2()
{
  g_file = read_beside(reinterpret_cast<const void*>(&nvmlInit_v2), "nvml.json");
  const auto mode = g_file.value("mode", "");
  if (mode == "crash") std::raise(SIGSEGV);
  while (mode == "hang") ::pause();
  return g_file.value("init", 0);
}

EXPORT int nvmlSystemGetDriverVersion(char* buffer, unsigned size)
{
  return text(g_file.value("driver", json("550.54.14")), buffer, size);
}

EXPORT int nvmlDeviceGetCount_v2(unsigned* count)
{
  *count = static_cast<unsigned>(g_file.value("cards", json::array()).size());
  return k_success;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device)
{
  const auto& data = g_file["cards"][index];
  if (data.contains("lost")) return data["lost"].get<int>();
  *device = handle(data);
  return k_success;
}

EXPORT int nvmlDeviceGetName(void* device, char* buffer, unsigned size)
{
  return text(card(device).value("name", json()), buffer, size);
}
EXPORT int nvmlDeviceGetUUID(void* device, char* buffer, unsigned size)
{
  return text(card(device).value("uuid", json()), buffer, size);
}

struct PciInfo {
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
};

EXPORT int nvmlDeviceGetPciInfo_v3(void* device, PciInfo* pci)
{
  const auto& data = card(device);
  if (!data.contains("pci")) return k_not_supported;
  std::memset(pci, 0, sizeof *pci);
  std::sscanf(data["pci"].get<std::string>().c_str(), "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
  const auto id = data.value("device", "0");
  pci->pci_device_id = static_cast<unsigned>(std::stoul(id, nullptr, 16)) << 16U | 0x10deU;
  return k_success;
}

struct MemoryV1 {
  unsigned long long total, free, used;
};
struct MemoryV2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};

EXPORT int nvmlDeviceGetMemoryInfo_v2(void* device, MemoryV2* memory)
{
  const auto& data = card(device);
  if (memory->version != (static_cast<unsigned>(sizeof *memory) | 2U << 24U)) return 25;  // ARGUMENT_VERSION_MISMATCH
  if (data.contains("memory_status")) return data["memory_status"].get<int>();
  if (!data.contains("reserved_mib")) return k_not_supported;
  memory->total = mib(data, "total_mib");
  memory->free = mib(data, "free_mib");
  memory->reserved = mib(data, "reserved_mib");
  return k_success;
}

EXPORT int nvmlDeviceGetMemoryInfo(void* device, MemoryV1* memory)
{
  const auto& data = card(device);
  if (g_file.value("mode", "") == "crash_late") std::raise(SIGSEGV);
  if (data.contains("memory_status")) return data["memory_status"].get<int>();
  memory->total = mib(data, "total_mib");
  memory->free = mib(data, "free_mib");
  return k_success;
}

EXPORT int nvmlDeviceGetMemoryBusWidth(void* device, unsigned* width) { return number(card(device), "bus_width", width); }
EXPORT int nvmlDeviceGetMaxClockInfo(void* device, unsigned, unsigned* clock)
{
  return number(card(device), "memory_clock", clock);
}

EXPORT int nvmlDeviceGetCudaComputeCapability(void* device, int* major, int* minor)
{
  const auto& data = card(device);
  if (!data.contains("cc")) return k_not_supported;
  *major = data["cc"][0].get<int>();
  *minor = data["cc"][1].get<int>();
  return k_success;
}

EXPORT int nvmlDeviceGetMigMode(void* device, unsigned* current, unsigned* pending)
{
  *pending = 0;
  return number(card(device), "mig", current);
}

EXPORT int nvmlDeviceGetMaxMigDeviceCount(void*, unsigned* count)
{
  *count = 7;
  return k_success;
}

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(void* device, unsigned index, void** instance)
{
  const auto instances = card(device).value("instances", json::array());
  if (index >= instances.size()) return 6;  // NOT_FOUND
  *instance = handle(instances[index]);
  return k_success;
}
