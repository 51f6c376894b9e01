#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "probe/gpu_sources.hpp"
#include "probe/identity.hpp"

namespace canirun {

namespace {

using Properties = std::map<std::string, std::uint64_t, std::less<>>;

Properties properties(const Sysroot& sys, const std::string& file)
{
  Properties values;
  const auto text = sys.read(file).value_or("");
  for (const auto row : split(text, '\n')) {
    const auto blank = row.find(' ');
    if (blank == std::string_view::npos) continue;
    if (const auto value = parse_number(row.substr(blank + 1))) values[std::string(row.substr(0, blank))] = *value;
  }
  return values;
}

std::uint64_t get(const Properties& values, std::string_view key)
{
  const auto it = values.find(key);
  return it == values.end() ? 0 : it->second;
}

struct Banks {
  Bytes size;
  double bandwidth = 0;  ///< B/s.
  bool hbm = false;
};

constexpr std::uint64_t k_hbm_width = 1024;  // bits; the widest GDDR has 512

/// Transfers per clock that the driver reports, by kind of memory: HBM2 2, HBM3 4, GDDR5 4, GDDR6 16. KFD does not name the kind; a
/// width of 1024 bits or more is HBM, and which one follows from the chip. 7900 XTX: 1249 MHz × 16 × 384 / 8 = 959 GB/s, as measured.
double transfers_per_clock(std::uint64_t width, std::uint64_t gfx)
{
  if (width >= k_hbm_width) return gfx / 100 >= 904 ? 4 : 2;  // gfx94x, gfx95x: HBM3
  return gfx >= 100000 ? 16 : 4;
}

Banks memory_banks(const Sysroot& sys, const std::string& node, std::uint64_t gfx)
{
  Banks banks;
  for (const auto& bank : sys.list(node + "/mem_banks")) {
    const auto values = properties(sys, fmt::format("{}/mem_banks/{}/properties", node, bank));
    const auto heap = get(values, "heap_type");  // 1 and 2 are the GPU's own memory, visible to the CPU or not
    if (heap != 1 && heap != 2) continue;
    banks.size += Bytes{get(values, "size_in_bytes")};
    const auto width = get(values, "width");
    banks.hbm = banks.hbm || width >= k_hbm_width;
    const double rate = 1e6 * static_cast<double>(get(values, "mem_clk_max")) * static_cast<double>(width) / 8;
    banks.bandwidth = std::max(banks.bandwidth, rate * transfers_per_clock(width, gfx));
  }
  return banks;
}

std::optional<std::string> address(const Properties& node)
{
  // location_id is bus << 8 | device << 3 | function; a partition's number is in bits 28–31 (Linux kfd_topology.c).
  const auto location = get(node, "location_id") & 0xffffU;
  if (location == 0) return std::nullopt;
  return pci_address(static_cast<std::uint32_t>(get(node, "domain")), static_cast<std::uint32_t>(location >> 8U),
                     static_cast<std::uint32_t>((location >> 3U) & 0x1fU), static_cast<std::uint32_t>(location & 7U));
}

}  // namespace

Result<Facts> KfdSource::read()
{
  Facts facts{.source = "kfd"};
  struct Card {
    DeviceFacts device;
    std::uint32_t partitions = 0;
  };
  std::map<std::uint64_t, Card> cards;  // by unique_id; cards without one by their place on the bus
  for (const auto& n : sys_.list("sys/class/kfd/kfd/topology/nodes")) {
    const auto folder = "sys/class/kfd/kfd/topology/nodes/" + n;
    const auto node = properties(sys_, folder + "/properties");
    if (get(node, "simd_count") == 0) continue;  // a processor
    const auto place = address(node);
    const auto unique =
        get(node, "unique_id") != 0 ? get(node, "unique_id") : get(node, "domain") << 32U | (get(node, "location_id") & 0xffffU);
    auto& card = cards[unique];
    auto& device = card.device;
    ++card.partitions;
    device.source = "kfd";
    if (!device.pci_address) device.pci_address = place;
    device.vendor_id = static_cast<std::uint32_t>(get(node, "vendor_id"));
    device.pci_id = pci_id(get(node, "vendor_id"), get(node, "device_id"));
    // The topology is the host's; a container that was not given the node cannot use it.
    if (!sys_.exists("/dev") || sys_.exists("/dev/kfd")) device.backends = {"rocm"};
    const auto gfx = get(node, "gfx_target_version");
    if (const auto architecture = amd_architecture(gfx); !architecture.empty()) device.architecture = std::string(architecture);
    if (get(node, "cpu_cores_count") > 0) {  // one node for both: an APU
      device.type = GpuType::integrated;
      device.type_evidence = TypeEvidence::driver_flag;
    }
    const auto banks = memory_banks(sys_, folder, gfx);
    if (banks.size.count > 0) device.memory_total = device.memory_total.value_or(Bytes{0}) + banks.size;
    if (banks.bandwidth > 0) {
      // Partitions share out the card's memory, and each has its part of the width.
      device.bandwidth = std::max(device.bandwidth.value_or(0), banks.bandwidth);
      device.bandwidth_source = "kfd:clock*width";
      device.bandwidth_of_card = !banks.hbm;
    }
    const auto subject = place.value_or("node " + n);
    facts.reading(subject, "KFD node " + n,
                  fmt::format("simd_count {}, gfx_target_version {}, memory {}", get(node, "simd_count"), gfx, banks.size.count));
  }
  for (auto& [unique, card] : cards) {
    if (card.partitions > 1) {
      facts.note(fmt::format(
          "the GPU at {} is split into {} partitions, which programs see as {} devices; it is counted once, with all its memory",
          card.device.pci_address.value_or("an unknown address"), card.partitions, card.partitions));
    }
    facts.devices.push_back(std::move(card.device));
  }
  if (facts.devices.empty()) return fail(ErrorKind::unavailable, "AMD's compute driver is not loaded");
  return facts;
}

}  // namespace canirun
