#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

#include "probe/child.hpp"

/// \file
/// The child that opens NVIDIA's management library. Every function is looked up and optional: old drivers lack the later ones.
/// Types and numbers are NVML's (nvml.h of the CUDA toolkit).

namespace canirun {

namespace {

using nlohmann::json;

using Device = void*;
constexpr int k_success = 0;
constexpr unsigned k_clock_memory = 2;

struct MemoryV1 {
  unsigned long long total, free, used;
};
struct MemoryV2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
struct PciInfo {
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
};

class Nvml {
 public:
  explicit Nvml(void* library) : library_(library) {}

  /// Calls a function by name; -1 when the library does not have it.
  template <typename... Arguments>
  int call(const char* name, Arguments... arguments) const
  {
    const auto function = reinterpret_cast<int (*)(Arguments...)>(::dlsym(library_, name));
    return function != nullptr ? function(arguments...) : -1;
  }

  /// A text that a function writes into a buffer.
  template <typename... Arguments>
  json text(const char* name, Arguments... arguments) const
  {
    char buffer[128] = {};
    if (call(name, arguments..., static_cast<char*>(buffer), static_cast<unsigned>(sizeof buffer - 1)) != k_success)
      return nullptr;
    return std::string(buffer, ::strnlen(buffer, sizeof buffer));
  }

 private:
  void* library_;
};

void* open_library()
{
  if (const char* other = std::getenv("CANIRUN_NVML_LIB"); other != nullptr && *other != '\0')
    return ::dlopen(other, RTLD_NOW | RTLD_LOCAL);
  // Never the plain ".so": that may be the CUDA toolkit's stub, which answers nothing.
  void* library = ::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  return library != nullptr ? library : ::dlopen("/usr/lib/wsl/lib/libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
}

json identity(const Nvml& nvml, Device device, unsigned index)
{
  json line{
      {"device", index}, {"name", nvml.text("nvmlDeviceGetName", device)}, {"uuid", nvml.text("nvmlDeviceGetUUID", device)}};
  PciInfo pci{};
  if (nvml.call("nvmlDeviceGetPciInfo_v3", device, &pci) == k_success ||
      nvml.call("nvmlDeviceGetPciInfo_v2", device, &pci) == k_success) {
    line["pci"] = {pci.domain, pci.bus, pci.device, 0};
    line["vendor"] = pci.pci_device_id & 0xffffU;
    line["id"] = pci.pci_device_id >> 16U;
  }
  int major = 0, minor = 0;
  if (nvml.call("nvmlDeviceGetCudaComputeCapability", device, &major, &minor) == k_success)
    line["compute_capability"] = {major, minor};
  unsigned width = 0, clock = 0;
  if (nvml.call("nvmlDeviceGetMemoryBusWidth", device, &width) == k_success) line["bus_width"] = width;
  if (nvml.call("nvmlDeviceGetMaxClockInfo", device, k_clock_memory, &clock) == k_success) line["memory_clock"] = clock;
  unsigned current = 0, pending = 0;
  if (nvml.call("nvmlDeviceGetMigMode", device, &current, &pending) == k_success) line["mig"] = current;
  return line;
}

json memory(const Nvml& nvml, Device device, unsigned index)
{
  MemoryV2 v2{};
  v2.version = static_cast<unsigned>(sizeof v2) | 2U << 24U;
  int status = nvml.call("nvmlDeviceGetMemoryInfo_v2", device, &v2);
  if (status == k_success) return {{"memory", index}, {"total", v2.total}, {"free", v2.free}, {"reserved", v2.reserved}};
  MemoryV1 v1{};
  const int status1 = nvml.call("nvmlDeviceGetMemoryInfo", device, &v1);
  if (status1 == k_success) return {{"memory", index}, {"total", v1.total}, {"free", v1.free}};
  return {{"memory", index}, {"status", status1 == -1 ? status : status1}};
}

/// The instances of a card in MIG mode, numbered from `next`.
void write_instances(ChildOutput& out, const Nvml& nvml, Device card, unsigned parent, unsigned& next)
{
  unsigned count = 0;
  if (nvml.call("nvmlDeviceGetMaxMigDeviceCount", card, &count) != k_success) return;
  for (unsigned i = 0; i < count && i < 64; ++i) {
    Device instance = nullptr;
    if (nvml.call("nvmlDeviceGetMigDeviceHandleByIndex", card, i, &instance) != k_success || instance == nullptr) continue;
    json line{{"device", next},
              {"parent", parent},
              {"name", nvml.text("nvmlDeviceGetName", instance)},
              {"uuid", nvml.text("nvmlDeviceGetUUID", instance)}};
    out.write(line);
    out.write(memory(nvml, instance, next));
    ++next;
  }
}

}  // namespace

int run_nvml_child()
{
  ChildOutput out;
  out.write({{"phase", "load"}});
  void* library = open_library();
  if (library == nullptr) {
    out.write({{"error", ::dlerror()}, {"absent", true}});
    out.done();
  }
  const Nvml nvml(library);
  out.write({{"phase", "init"}});
  const int status = nvml.call("nvmlInit_v2");
  if (status != k_success) {
    out.write({{"error", fmt::format("nvmlInit_v2 answers {}", status)}, {"status", status}});
    out.done();
  }
  out.write({{"driver", nvml.text("nvmlSystemGetDriverVersion")}});
  unsigned count = 0;
  const int counted = nvml.call("nvmlDeviceGetCount_v2", &count);
  if (counted != k_success) {
    out.write({{"error", fmt::format("nvmlDeviceGetCount_v2 answers {}", counted)}, {"status", counted}});
    out.done();
  }
  if (count > 256) count = 256;
  unsigned next = count;
  for (unsigned i = 0; i < count; ++i) {
    Device device = nullptr;
    const int handle = nvml.call("nvmlDeviceGetHandleByIndex_v2", i, &device);
    if (handle != k_success) {
      out.write({{"lost", i}, {"status", handle}});
      continue;
    }
    const auto line = identity(nvml, device, i);
    out.write(line);
    out.write(memory(nvml, device, i));
    if (line.value("mig", 0U) != 0) write_instances(out, nvml, device, i, next);
  }
  out.done();
}

}  // namespace canirun
