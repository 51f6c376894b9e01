#include "probe/identity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "probe/sysroot.hpp"

namespace canirun {

namespace {

std::optional<std::uint32_t> hex(std::string_view text)
{
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Vendor {
  std::uint32_t id;
  std::string_view name;
  bool makes_gpus;
};

// Source: pci.ids (https://pci-ids.ucw.cz), and VkVendorId of the Vulkan registry for ids above 0xffff.
// clang-format off
constexpr std::array k_vendors{
    Vendor{0x10de, "NVIDIA", true},        Vendor{0x1002, "AMD", true},        Vendor{0x8086, "Intel", true},
    Vendor{0x106b, "Apple", true},         Vendor{0x5143, "Qualcomm", true},   Vendor{0x17cb, "Qualcomm", true},
    Vendor{0x13b5, "Arm", true},           Vendor{0x1010, "Imagination", true}, Vendor{0x14e4, "Broadcom", true},
    Vendor{0x1ed5, "Moore Threads", true}, Vendor{0x9999, "MetaX", true},      Vendor{0x1e3e, "Iluvatar", true},
    Vendor{0x10001, "VeriSilicon", true},  Vendor{0x10002, "VeriSilicon", true}, Vendor{0x10005, "Mesa", true},
    Vendor{0x1af4, "Virtio", false},       Vendor{0x1b36, "QEMU", false},      Vendor{0x1234, "QEMU", false},
    Vendor{0x15ad, "VMware", false},       Vendor{0x80ee, "VirtualBox", false}, Vendor{0x1414, "Microsoft", false},
    Vendor{0x1a03, "ASPEED", false},       Vendor{0x102b, "Matrox", false},    Vendor{0x1013, "Cirrus Logic", false},
    Vendor{0x1d0f, "Amazon", false},       Vendor{0x1ab8, "Parallels", false},  Vendor{0x5853, "XenSource", false},
};
// clang-format on

const Vendor* find_vendor(std::uint32_t id)
{
  const auto it = std::ranges::find(k_vendors, id, &Vendor::id);
  return it == k_vendors.end() ? nullptr : &*it;
}

}  // namespace

std::optional<std::string> pci_address(std::uint32_t domain, std::uint32_t bus, std::uint32_t device, std::uint32_t function)
{
  if (bus > 0xff || device > 0x1f || function > 7) return std::nullopt;
  if (domain == 0 && bus == 0 && device == 0 && function == 0) return std::nullopt;
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", domain, bus, device, function);
}

std::optional<std::string> canonical_pci_address(std::string_view text)
{
  auto parts = split(trim(text), ':');
  if (parts.size() == 2) parts.insert(parts.begin(), "0");
  if (parts.size() != 3) return std::nullopt;
  const auto slot = split(parts[2], '.');
  if (slot.size() > 2) return std::nullopt;
  const auto domain = hex(parts[0]), bus = hex(parts[1]), device = hex(slot[0]);
  const auto function = slot.size() == 2 ? hex(slot[1]) : std::optional<std::uint32_t>(0);
  if (!domain || !bus || !device || !function) return std::nullopt;
  return pci_address(*domain, *bus, *device, *function);
}

std::optional<std::string> canonical_uuid(std::string_view text)
{
  text = trim(text);
  if (text.starts_with("GPU-") || text.starts_with("MIG-")) text.remove_prefix(4);
  std::string digits;
  for (const char c : text) {
    if (c == '-') continue;
    const auto lower = static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    if (!((lower >= '0' && lower <= '9') || (lower >= 'a' && lower <= 'f'))) return std::nullopt;
    digits.push_back(lower);
  }
  if (digits.size() != 32 || digits.find_first_not_of('0') == std::string::npos) return std::nullopt;
  // Software drivers of Mesa write their version there: "mesa22.3.6\0…" begins with 6d657361.
  if (digits.starts_with("6d657361")) return std::nullopt;
  return digits;
}

std::optional<std::string> pci_id(std::uint64_t vendor, std::uint64_t device)
{
  if (vendor == 0 || device == 0 || vendor > 0xffff || device > 0xffff) return std::nullopt;
  return fmt::format("{:04x}:{:04x}", vendor, device);
}

std::string_view vendor_name(std::uint32_t vendor_id)
{
  const auto* vendor = find_vendor(vendor_id);
  return vendor != nullptr ? vendor->name : std::string_view{};
}

bool makes_gpus(std::uint32_t vendor_id)
{
  const auto* vendor = find_vendor(vendor_id);
  return vendor != nullptr && vendor->makes_gpus;
}

std::string_view nvidia_architecture(int major, int minor)
{
  switch (major) {
    case 3: return "Kepler";
    case 5: return "Maxwell";
    case 6: return "Pascal";
    case 7: return minor >= 5 ? "Turing" : "Volta";
    case 8: return minor == 9 ? "Ada" : "Ampere";
    case 9: return "Hopper";
    case 10: return minor >= 3 ? "Blackwell Ultra" : "Blackwell";
    case 11:
    case 12: return "Blackwell";
    default: return {};
  }
}

bool is_integrated_nvidia(int major, int minor)
{
  constexpr std::array k_integrated{std::pair{3, 2}, std::pair{5, 3},  std::pair{6, 2},  std::pair{7, 2},
                                    std::pair{8, 7}, std::pair{10, 1}, std::pair{11, 0}, std::pair{12, 1}};
  return std::ranges::find(k_integrated, std::pair{major, minor}) != k_integrated.end();
}

std::string_view amd_architecture(std::uint64_t gfx_target_version)
{
  const auto major = gfx_target_version / 10000, minor = gfx_target_version / 100 % 100, step = gfx_target_version % 100;
  if (major == 8) return "GCN4 (Polaris)";
  if (major == 9 && minor == 0) return step == 8 ? "CDNA" : step == 10 ? "CDNA2" : "GCN5 (Vega)";
  if (major == 9 && minor == 4) return "CDNA3";
  if (major == 9 && minor == 5) return "CDNA4";
  if (major == 10) return minor >= 3 ? "RDNA2" : "RDNA1";
  if (major == 11) return "RDNA3";
  if (major == 12) return "RDNA4";
  return {};
}

}  // namespace canirun
