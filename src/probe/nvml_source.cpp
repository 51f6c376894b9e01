#include <fmt/format.h>

#include <map>

#include "probe/driver_sources.hpp"
#include "probe/identity.hpp"
#include "probe/plausible.hpp"

namespace canirun {

namespace {

using nlohmann::json;

// nvmlReturn_t of nvml.h.
constexpr std::uint64_t k_not_supported = 3, k_no_permission = 4, k_driver_not_loaded = 9, k_version_mismatch = 18,
                        k_gpu_is_lost = 15;

std::string failure(std::uint64_t status)
{
  switch (status) {
    case k_driver_not_loaded:
      return "NVIDIA's kernel driver is not loaded: load it (modprobe nvidia) or start the container with the GPU";
    case k_version_mismatch:
      return "NVIDIA's library and kernel driver are of different versions: restart the machine after the update";
    case k_no_permission: return "this user may not use NVIDIA's driver: check the permissions of /dev/nvidia*";
    default: return fmt::format("NVIDIA's management library failed (status {})", status);
  }
}

std::optional<std::pair<int, int>> compute_capability(const json& line)
{
  const auto it = line.find("compute_capability");
  if (it == line.end() || !it->is_array() || it->size() != 2 || !(*it)[0].is_number_integer() || !(*it)[1].is_number_integer())
    return std::nullopt;
  return std::pair{(*it)[0].get<int>(), (*it)[1].get<int>()};
}

/// Bandwidth: 2 × memory clock × bus width / 8. RTX 3090: 2 × 9751 MHz × 384 / 8 = 936 GB/s; no further factor.
void read_bandwidth(const json& line, DeviceFacts& device, Facts& facts, const std::string& where)
{
  const auto width = number(line, "bus_width"), clock = number(line, "memory_clock");
  if (!width || !clock || *width == 0 || *clock == 0) return;
  facts.reading(where, "memory clock and bus width", fmt::format("{} MHz, {} bits", *clock, *width));
  const double rate = 2e6 * static_cast<double>(*clock) * static_cast<double>(*width) / 8;
  if (plausible_bandwidth(rate)) {
    device.bandwidth = rate;
    device.bandwidth_source = "nvml:2*clock*width";
  } else {
    facts.note(
        fmt::format("NVML gives {} a memory bandwidth of {:.0f} GB/s, which cannot be; it is not used", where, rate / 1e9));
  }
}

DeviceFacts identity(const json& line, std::uint64_t index, Facts& facts)
{
  DeviceFacts device{.source = "nvml", .vendor_id = k_nvidia, .backends = {"cuda"}};
  if (const auto pci = line.find("pci"); pci != line.end() && pci->is_array() && pci->size() == 4) {
    const auto part = [&](std::size_t i) { return (*pci)[i].is_number_unsigned() ? (*pci)[i].get<std::uint32_t>() : UINT32_MAX; };
    device.pci_address = pci_address(part(0), part(1), part(2), part(3));
  }
  device.name = clean_text(text(line, "name").value_or(""));
  device.uuid = canonical_uuid(text(line, "uuid").value_or(""));
  device.pci_id = pci_id(number(line, "vendor").value_or(0), number(line, "id").value_or(0));
  const auto where = device.pci_address.value_or(fmt::format("device {}", index));
  if (const auto capability = compute_capability(line)) {
    const auto [major, minor] = *capability;
    facts.reading(where, "compute capability", fmt::format("{}.{}", major, minor));
    if (const auto name = nvidia_architecture(major, minor); !name.empty()) device.architecture = std::string(name);
    device.type = is_integrated_nvidia(major, minor) ? GpuType::integrated : GpuType::discrete;
    device.type_evidence = TypeEvidence::compute_capability;
  }
  facts.reading(where, "device", device.name.value_or("(not text)"));
  read_bandwidth(line, device, facts, where);
  return device;
}

void read_memory(const json& line, DeviceFacts& device, Facts& facts, bool mig)
{
  const auto where = device.pci_address.value_or(device.name.value_or("a device"));
  const auto status = number(line, "status"), total = number(line, "total");
  const auto free = number(line, "free"), reserved = number(line, "reserved");
  facts.reading(where, "memory",
                status
                    ? fmt::format("status {}", *status)
                    : fmt::format("total {}, free {}, reserved {}", total.value_or(0), free.value_or(0), reserved.value_or(0)));
  if (status == k_not_supported || (total && *total == 0)) {
    // GB10, Jetson, Thor: the memory is the CPU's.
    device.type = GpuType::integrated;
    device.type_evidence = TypeEvidence::no_own_memory;
    return;
  }
  if (status) {
    if (!(mig && status == k_no_permission))
      facts.note(fmt::format("NVML does not tell the memory of {}: {}", where, failure(*status)));
    return;
  }
  if (!plausible_size(Bytes{total.value_or(0)})) {
    facts.note(fmt::format("NVML gives {} {} bytes of memory, which cannot be; it is not used", where, total.value_or(0)));
    return;
  }
  device.memory_total = Bytes{*total};
  if (free && *free > 0 && *free <= *total) device.memory_free = Bytes{*free};
  if (reserved && *reserved > 0 && *reserved < *total / 2) device.memory_reserved = Bytes{*reserved};
}

}  // namespace

Facts nvml_facts(std::span<const json> lines)
{
  Facts facts{.source = "nvml"};
  struct Seen {
    DeviceFacts device;
    bool mig = false, complete = false;
    std::optional<std::uint64_t> parent;
  };
  std::map<std::uint64_t, Seen> seen;
  std::optional<std::string> driver;
  for (const auto& line : lines) {
    if (const auto index = number(line, "device")) {
      seen[*index] = {identity(line, *index, facts), number(line, "mig").value_or(0) != 0, false, number(line, "parent")};
    } else if (const auto memory = number(line, "memory")) {
      const auto it = seen.find(*memory);
      if (it == seen.end()) continue;
      read_memory(line, it->second.device, facts, it->second.mig);
      it->second.complete = true;
    } else if (const auto lost = number(line, "lost")) {
      const auto status = number(line, "status").value_or(0);
      facts.complete = false;
      facts.note(
          status == k_gpu_is_lost
              ? fmt::format("NVIDIA GPU {} has fallen off the bus: restart the machine and check its power and seating", *lost)
              : fmt::format("NVIDIA GPU {} cannot be opened: {}", *lost, failure(status)));
    } else if (const auto status = number(line, "status")) {
      facts.note(failure(*status));
    } else if (const auto version = text(line, "driver")) {
      if (const auto clean = clean_text(*version)) driver = "NVIDIA " + *clean;
      facts.reading("", "driver", driver.value_or("unknown"));
    }
  }
  for (auto& [index, s] : seen) {
    if (!s.complete)
      facts.note(fmt::format("NVML failed while {} was asked for its memory; its figures are not used",
                             s.device.name.value_or("a device")));
    if (!s.complete) continue;
    s.device.driver = driver;
    if (s.parent) {
      const auto card = seen.find(*s.parent);
      if (card == seen.end()) continue;
      const auto& parent = card->second.device;
      s.device.parent = parent.pci_address.value_or(fmt::format("card {}", *s.parent));
      s.device.architecture = parent.architecture;
      s.device.type = parent.type;
      s.device.type_evidence = parent.type_evidence;
      s.device.pci_id = parent.pci_id;
      if (!s.device.name) s.device.name = parent.name;
      // An instance has its share of the memory slices, and of their bandwidth.
      if (parent.bandwidth && parent.memory_total && s.device.memory_total) {
        const auto share = static_cast<double>(s.device.memory_total->count) / static_cast<double>(parent.memory_total->count);
        s.device.bandwidth = *parent.bandwidth * std::min(1.0, share);
        s.device.bandwidth_source = "nvml:share of the card";
      }
    } else if (s.mig &&
               std::none_of(seen.begin(), seen.end(), [&, i = index](const auto& other) { return other.second.parent == i; })) {
      facts.note(
          fmt::format("{} is in MIG mode and has no instance: programs cannot use it until one is created (nvidia-smi mig -cgi)",
                      s.device.name.value_or("an NVIDIA GPU")));
    }
    facts.devices.push_back(s.device);
  }
  return facts;
}

NvmlSource::NvmlSource(std::chrono::milliseconds timeout)
    : deadline_(Clock::now() + timeout), child_(ChildProcess::start("nvml", child_environment({})))
{
}

Result<Facts> NvmlSource::read()
{
  if (!child_) return tl::unexpected(child_.error());
  ChildProcess* all[] = {&*child_};
  ChildProcess::collect(all, deadline_);
  for (const auto& line : child_->lines()) {
    if (line.contains("absent"))
      return fail(ErrorKind::unavailable, "NVIDIA's management library (libnvidia-ml.so.1) is not installed");
  }
  auto facts = nvml_facts(child_->lines());
  if (!child_->complete()) {
    facts.complete = false;
    const auto fate = child_->fate();
    facts.note(fate == "still running" ? "NVIDIA's management library did not answer in time and was stopped"
                                       : fmt::format("NVIDIA's management library crashed ({})", fate));
  }
  return facts;
}

}  // namespace canirun
