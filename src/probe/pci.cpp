#include <fmt/format.h>

#include <algorithm>

#include "probe/gpu_sources.hpp"
#include "probe/identity.hpp"

namespace canirun {

namespace {

/// The largest memory window, from rows "start end flags" of the file `resource`. Bit 0x200 of the flags marks memory (linux/ioport.h).
std::optional<Bytes> largest_bar(const std::string& resource)
{
  std::uint64_t largest = 0;
  const auto rows = split(resource, '\n');
  // Rows 0–5 are the BARs; the ROM and bridge windows follow.
  for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), 6); ++i) {
    const auto words = split(trim(rows[i]), ' ');
    if (words.size() != 3) continue;
    const auto start = parse_number(words[0]), end = parse_number(words[1]), flags = parse_number(words[2]);
    if (!start || !end || !flags || (*flags & 0x200U) == 0 || *end <= *start) continue;
    largest = std::max(largest, *end - *start + 1);
  }
  return largest > 0 ? std::optional(Bytes{largest}) : std::nullopt;
}

/// Does a function of AMD's processor (1022: security processor, USB) share the slot? Only an APU's GPU has such neighbours;
/// a card's audio and USB functions are 1002 as well.
bool shares_slot_with_amd_cpu(const Sysroot& sys, const std::vector<std::string>& devices, const std::string& address)
{
  const auto slot = address.substr(0, address.rfind('.') + 1);
  return std::ranges::any_of(devices, [&](const std::string& other) {
    return other != address && other.starts_with(slot) && sys.number("sys/bus/pci/devices/" + other + "/vendor") == 0x1022;
  });
}

/// Has the device a render node in sysfs, and none of its own in /dev? So it is in a container that was given others.
bool lacks_node(const Sysroot& sys, const std::string& base)
{
  bool known = false;
  for (const auto& node : sys.list(base + "/drm")) {
    if (!node.starts_with("renderD")) continue;
    known = true;
    if (sys.exists("/dev/dri/" + node)) return false;
  }
  return known;
}

/// What the place on the bus says about the type; a guess that any driver overrules.
void guess_type(const Sysroot& sys, const std::vector<std::string>& devices, const std::string& folder, DeviceFacts& device)
{
  const auto vendor = device.vendor_id.value_or(0);
  const auto address = device.pci_address.value_or("");
  if (vendor == k_intel) {
    // Intel's integrated GPU has had this address since 2004; its cards sit behind a bridge.
    device.type = address == "0000:00:02.0" ? GpuType::integrated : GpuType::discrete;
    device.type_evidence = TypeEvidence::structure;
  } else if (vendor == k_amd && (shares_slot_with_amd_cpu(sys, devices, folder) || address == "0000:00:01.0")) {
    // The first APUs have it at 00:01.0. Elsewhere on bus 0 it is a card that was passed to this virtual machine.
    device.type = GpuType::integrated;
    device.type_evidence = TypeEvidence::structure;
  } else {
    device.type = GpuType::discrete;
    device.type_evidence = TypeEvidence::guess;
  }
}

}  // namespace

Result<Facts> PciSource::read()
{
  Facts facts{.source = "pci"};
  const auto devices = sys_.list("sys/bus/pci/devices");
  if (devices.empty())
    return fail(ErrorKind::unavailable, "/sys/bus/pci cannot be read: GPUs are found only through their drivers");
  for (const auto& folder : devices) {
    const auto base = "sys/bus/pci/devices/" + folder;
    const auto klass = sys_.number(base + "/class").value_or(0) >> 16U;
    if (klass != 0x03 && klass != 0x12) continue;  // display controller, processing accelerator
    const auto address = canonical_pci_address(folder);
    if (!address) continue;
    DeviceFacts device{.source = "pci", .pci_address = address};
    const auto vendor = sys_.number(base + "/vendor").value_or(0), id = sys_.number(base + "/device").value_or(0);
    device.vendor_id = static_cast<std::uint32_t>(vendor & 0xffffU);
    device.pci_id = pci_id(vendor, id);
    const auto driver = sys_.link_name(base + "/driver");
    device.driver = driver;
    device.largest_bar = largest_bar(sys_.read(base + "/resource", 4096).value_or(""));
    device.asleep = sys_.line(base + "/power/runtime_status") == "suspended";
    device.node_missing = lacks_node(sys_, base);
    guess_type(sys_, devices, folder, device);
    if (!makes_gpus(*device.vendor_id)) {
      device.weak = true;
      device.weak_reason = "a display adapter that does not compute";
    } else if (klass == 0x12 && *device.vendor_id != k_amd && *device.vendor_id != k_nvidia) {
      device.weak = true;  // Intel's NPU, for one
      device.weak_reason = "an accelerator that no GPU driver reports";
    }
    facts.reading(*address, "PCI",
                  fmt::format("class {:02x}, id {}, driver {}, {}", klass, device.pci_id.value_or("unknown"),
                              driver.value_or("none"), device.asleep ? "asleep" : "awake"));
    if (device.largest_bar) facts.reading(*address, "largest BAR", fmt::format("{}", device.largest_bar->count));
    if (driver == "vfio-pci" || driver == "pci-stub") {
      device.unusable = true;
      facts.note(
          fmt::format("the GPU at {} is reserved for a virtual machine (driver {}) and is not counted", *address, *driver));
    } else if (sys_.link_name(base + "/physfn")) {
      device.unusable = true;
      facts.note(fmt::format("the GPU at {} is a virtual function of another GPU of this machine and is not counted", *address));
    } else if (!driver && !device.weak && sys_.exists("sys/bus/pci/drivers")) {
      facts.note(fmt::format("no driver is bound to the GPU at {} ({}): install or load its driver, or nothing can run on it",
                             *address, device.pci_id.value_or("unknown id")));
    }
    facts.devices.push_back(std::move(device));
  }
  if (facts.devices.empty())
    facts.reading("", "display controllers and accelerators", fmt::format("none among {} PCI devices", devices.size()));
  return facts;
}

}  // namespace canirun
