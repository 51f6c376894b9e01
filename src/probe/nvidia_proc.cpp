#include <fmt/format.h>

#include "probe/gpu_sources.hpp"
#include "probe/identity.hpp"

namespace canirun {

namespace {

std::optional<std::string> value_of(const std::string& text, std::string_view key)
{
  for (const auto row : split(text, '\n')) {
    const auto colon = row.find(':');
    if (colon != std::string_view::npos && trim(row.substr(0, colon)) == key) return clean_text(row.substr(colon + 1));
  }
  return std::nullopt;
}

/// The driver's version: the first word of the version file that is digits and dots ("NVRM version: NVIDIA UNIX … 550.54.14  Thu …").
std::optional<std::string> driver_version(const Sysroot& sys)
{
  const auto line = sys.line("proc/driver/nvidia/version").value_or("");
  for (const auto word : split(line, ' ')) {
    if (word.find('.') != std::string_view::npos && word.find_first_not_of("0123456789.") == std::string_view::npos)
      return std::string(word);
  }
  return std::nullopt;
}

}  // namespace

Result<Facts> NvidiaProcSource::read()
{
  Facts facts{.source = "proc-nvidia"};
  const auto version = driver_version(sys_);
  for (const auto& folder : sys_.list("proc/driver/nvidia/gpus")) {
    const auto address = canonical_pci_address(folder);
    if (!address) continue;
    DeviceFacts device{.source = "proc-nvidia", .pci_address = address, .vendor_id = k_nvidia, .backends = {"cuda"}};
    const auto text = sys_.read("proc/driver/nvidia/gpus/" + folder + "/information").value_or("");
    device.name = value_of(text, "Model");
    if (const auto uuid = value_of(text, "GPU UUID")) device.uuid = canonical_uuid(*uuid);
    if (version) device.driver = "NVIDIA " + *version;
    facts.reading(*address, "Model", device.name.value_or("unknown"));
    facts.devices.push_back(std::move(device));
  }
  if (version) facts.reading("", "driver", *version);
  if (facts.devices.empty()) return fail(ErrorKind::unavailable, "NVIDIA's driver is not loaded");
  return facts;
}

Result<Facts> SocSource::read()
{
  Facts facts{.source = "device-tree"};
  const auto compatible = sys_.read("proc/device-tree/compatible", 4096).value_or("");
  // Containers hide the device tree, but what may use the GPU was given its nodes; no card on PCI has any of these.
  const bool nodes = sys_.exists("/dev/nvhost-ctrl-gpu") || sys_.exists("/dev/nvhost-gpu") || sys_.exists("/dev/nvgpu");
  if (compatible.find("nvidia,tegra") == std::string::npos && !nodes)
    return fail(ErrorKind::unavailable, "not a system on a chip with a GPU we know");
  const auto model = sys_.read("proc/device-tree/model", 256).value_or("");
  DeviceFacts device{.source = "device-tree", .vendor_id = k_nvidia, .backends = {"cuda"}};
  device.name = clean_text(std::string_view(model.c_str()));
  device.type = GpuType::integrated;
  device.type_evidence = TypeEvidence::structure;
  facts.reading("", "model", device.name.value_or("unknown"));
  facts.devices.push_back(std::move(device));
  return facts;
}

}  // namespace canirun
