#include "probe/surroundings.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "probe/driver_sources.hpp"

namespace canirun {

namespace {

// Name a driver, so that the children start.
constexpr std::array k_drivers{"VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES", "CANIRUN_VULKAN_LIB", "CANIRUN_NVML_LIB"};
// Make runtimes see fewer devices.
constexpr std::array k_visible{"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",    "ROCR_VISIBLE_DEVICES",
                               "GPU_DEVICE_ORDINAL",   "GGML_VK_VISIBLE_DEVICES", "MESA_VK_DEVICE_SELECT"};
// Say what a container was given, and which libraries are found.
constexpr std::array k_others{"NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "VK_LOADER_DRIVERS_DISABLE", "LD_LIBRARY_PATH", "CANIRUN_SYSROOT"};

bool is_set(const char* variable)
{
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

/// Does a folder of LD_LIBRARY_PATH hold this library?
bool in_library_path(std::string_view library)
{
  const char* value = std::getenv("LD_LIBRARY_PATH");
  if (value == nullptr) return false;
  return std::ranges::any_of(split(value, ':'), [&](auto folder) {
    return !folder.empty() && ::access((std::string(folder) + "/" + std::string(library)).c_str(), R_OK) == 0;
  });
}

void note_kfd(const Sysroot& sys, std::vector<HardwareNote>& notes)
{
  if (!sys.exists("/dev/kfd") || ::access(sys.path("/dev/kfd").c_str(), R_OK | W_OK) == 0) return;
  notes.push_back({"kfd", "this user may not open /dev/kfd, so ROCm shows no GPU: add the user to the group render"});
}

}  // namespace

bool drivers_named()
{
  return std::ranges::any_of(k_drivers, is_set) || in_library_path("libvulkan.so.1") || in_library_path("libnvidia-ml.so.1");
}

bool has_device_node(const Sysroot& sys)
{
  const auto any = [&](std::string_view folder, auto matches) { return std::ranges::any_of(sys.list(folder), matches); };
  if (any("/dev/dri", [](const std::string& n) { return n.starts_with("renderD"); })) return true;
  return any("/dev", [](const std::string& n) {
    return n == "dxg" || n == "kfd" || n.starts_with("nvidia") || n.starts_with("nvhost-") || n.starts_with("mali");
  });
}

void read_surroundings(const Sysroot& sys, std::vector<ProbeReading>& readings)
{
  const auto add = [&](std::string key, std::string value) { readings.push_back({"surroundings", "", std::move(key), std::move(value)}); };
  const auto show = [&](const char* variable) {
    if (const char* value = std::getenv(variable)) add(variable, clean_text(value).value_or(""));
  };
  std::ranges::for_each(k_drivers, show);
  std::ranges::for_each(k_visible, show);
  std::ranges::for_each(k_others, show);
  const auto nodes = [&](const std::string& folder, std::initializer_list<std::string_view> beginnings) {
    for (const auto& name : sys.list(folder)) {
      if (std::ranges::none_of(beginnings, [&](auto beginning) { return name.starts_with(beginning); })) continue;
      const auto node = fmt::format("{}/{}", folder, name);
      add(node, ::access(sys.path(node).c_str(), R_OK | W_OK) == 0 ? "this user may open it" : "this user may not open it");
    }
  };
  nodes("/dev/dri", {"renderD"});
  nodes("/dev", {"nvidia", "kfd", "dxg", "nvhost-", "mali"});
  if (!sys.is_this_machine() && !drivers_named()) return;
  for (const auto& manifest : icd_manifests()) add("Vulkan driver manifest", manifest);
}

void note_surroundings(const Sysroot& sys, std::vector<HardwareNote>& notes)
{
  for (const char* variable : k_visible) {
    if (std::getenv(variable) == nullptr) continue;
    notes.push_back({"environment", fmt::format("{} is set: programs may see fewer GPUs than are listed here", variable)});
  }
  note_kfd(sys, notes);
  for (const auto& node : sys.list("/dev/dri")) {
    if (!node.starts_with("renderD") || ::access(sys.path("/dev/dri/" + node).c_str(), R_OK | W_OK) == 0) continue;
    notes.push_back(
        {"drm",
         fmt::format("this user may not open /dev/dri/{}, so Vulkan shows no device there: add the user to the group render",
                     node)});
    break;
  }
}

void note_missing_nodes(const Sysroot& sys, std::span<const Facts> facts, std::vector<HardwareNote>& notes)
{
  const bool container = std::ranges::any_of(facts, [](const Facts& f) { return f.host && f.host->host.container; });
  const bool card = std::ranges::any_of(facts, [](const Facts& f) {
    return f.source == "pci" && std::ranges::any_of(f.devices, [](const DeviceFacts& d) { return !d.weak && !d.unusable; });
  });
  const bool asked = std::ranges::any_of(
      facts, [](const Facts& f) { return (f.source == "vulkan" || f.source == "nvml") && !f.devices.empty(); });
  if (!container || !card || asked || has_device_node(sys)) return;
  notes.push_back({"container",
                   "the container sees a GPU in /sys but has no device node for it, so programs in it cannot use it: start it "
                   "with --device /dev/dri or --gpus all"});
}

}  // namespace canirun
