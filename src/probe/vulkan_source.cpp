#define VK_NO_PROTOTYPES
#include <fmt/format.h>
#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "probe/driver_sources.hpp"
#include "probe/identity.hpp"
#include "probe/plausible.hpp"

namespace canirun {

namespace {

using nlohmann::json;

/// Which record of a card is kept when several drivers know it (ggml-vulkan.cpp:ggml_vk_instance_init prefers the same way).
int driver_rank(std::uint64_t driver_id)
{
  switch (driver_id) {
    case VK_DRIVER_ID_MESA_RADV:
    case VK_DRIVER_ID_NVIDIA_PROPRIETARY: return 0;
    case VK_DRIVER_ID_AMD_OPEN_SOURCE:
    case VK_DRIVER_ID_MESA_NVK: return 1;
    case VK_DRIVER_ID_AMD_PROPRIETARY: return 2;
    case VK_DRIVER_ID_MESA_DOZEN: return 9;  // Direct3D underneath
    default: return 3;
  }
}

/// Software drivers: lavapipe and llvmpipe, SwiftShader.
bool is_software(const json& line)
{
  const auto driver = number(line, "driver_id").value_or(0);
  return number(line, "type") == VK_PHYSICAL_DEVICE_TYPE_CPU || driver == VK_DRIVER_ID_MESA_LLVMPIPE ||
         driver == VK_DRIVER_ID_GOOGLE_SWIFTSHADER;
}

std::optional<GpuType> device_type(std::uint64_t type)
{
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return GpuType::integrated;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return GpuType::discrete;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return GpuType::virtual_gpu;
    default: return std::nullopt;
  }
}

std::string subject(const DeviceFacts& device, std::uint64_t index)
{
  return device.pci_address.value_or(fmt::format("device {}", index));
}

DeviceFacts identity(const json& line, std::uint64_t index, Facts& facts)
{
  DeviceFacts device{.source = "vulkan", .backends = {"vulkan"}};
  if (const auto pci = line.find("pci"); pci != line.end() && pci->is_array() && pci->size() == 4) {
    const auto part = [&](std::size_t i) { return (*pci)[i].is_number_unsigned() ? (*pci)[i].get<std::uint64_t>() : UINT64_MAX; };
    const auto small = [&](std::size_t i) { return static_cast<std::uint32_t>(std::min<std::uint64_t>(part(i), UINT32_MAX)); };
    device.pci_address = pci_address(small(0), small(1), small(2), small(3));
    if (!device.pci_address)
      facts.note(fmt::format("Vulkan device {} gives a PCI address that no GPU has; it is told apart by other means", index));
  }
  device.name = clean_text(text(line, "name").value_or(""));
  if (!device.name)
    facts.note(fmt::format("the Vulkan driver's name for {} is not text and is not used", subject(device, index)));
  device.vendor_id = static_cast<std::uint32_t>(number(line, "vendor").value_or(0));
  device.pci_id = pci_id(number(line, "vendor").value_or(0), number(line, "id").value_or(0));
  device.uuid = canonical_uuid(text(line, "uuid").value_or(""));
  if (const auto luid = text(line, "luid"); luid && luid->find_first_not_of('0') != std::string::npos) device.luid = luid;
  const auto driver = clean_text(text(line, "driver").value_or("")), info = clean_text(text(line, "driver_info").value_or(""));
  if (driver) device.driver = info ? *driver + " " + *info : *driver;
  device.type = device_type(number(line, "type").value_or(0));
  if (device.type) device.type_evidence = TypeEvidence::vulkan;
  device.driver_rank = driver_rank(number(line, "driver_id").value_or(0));
  facts.reading(subject(device, index), "device",
                fmt::format("{}, type {}, driver {} (id {}), Vulkan {}", device.name.value_or("(not text)"),
                            number(line, "type").value_or(0), device.driver.value_or("unknown"),
                            number(line, "driver_id").value_or(0), text(line, "api").value_or("?")));
  return device;
}

/// The heaps that can be. A budget is what this process may use in all; minus its usage it is what is free, within the heap's size:
/// some drivers state a budget above it, and a negative difference comes out near 2^64.
void read_heaps(const json& line, DeviceFacts& device, std::uint64_t index, Facts& facts)
{
  const auto count = number(line, "heap_count").value_or(0);
  const auto where = subject(device, index);
  if (count == 0 || count > VK_MAX_MEMORY_HEAPS) {
    facts.note(fmt::format("the Vulkan driver of {} reports {} memory heaps; its memory figures are not used", where, count));
    return;
  }
  const auto heaps = line.find("heaps");
  if (heaps == line.end() || !heaps->is_array()) return;
  std::size_t i = 0;
  for (const auto& h : *heaps) {
    const auto size = number(h, "size").value_or(0), flags = number(h, "flags").value_or(0);
    const auto budget = number(h, "budget").value_or(0), usage = number(h, "usage").value_or(0);
    facts.reading(where, fmt::format("memory heap {}", i++),
                  fmt::format("size {}, flags {}, budget {}, usage {}", size, flags, budget, usage));
    if (!plausible_size(Bytes{size})) {
      facts.note(fmt::format("the Vulkan driver of {} reports a memory heap of {} bytes, which cannot be; it is not counted",
                             where, size));
      continue;
    }
    MemoryHeap heap{.size = {size}, .device_local = (flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0};
    if (plausible_size(Bytes{budget})) heap.free = std::min(heap.size, saturating_sub(Bytes{budget}, Bytes{usage}));
    device.heaps.push_back(heap);
  }
}

}  // namespace

std::optional<std::uint64_t> number(const json& line, const char* key)
{
  const auto it = line.find(key);
  if (it == line.end() || !it->is_number_integer()) return std::nullopt;
  if (it->is_number_unsigned()) return it->get<std::uint64_t>();
  const auto value = it->get<std::int64_t>();
  return value >= 0 ? std::optional(static_cast<std::uint64_t>(value)) : std::nullopt;
}

std::optional<std::string> text(const json& line, const char* key)
{
  const auto it = line.find(key);
  return it != line.end() && it->is_string() ? std::optional(it->get<std::string>()) : std::nullopt;
}

Facts vulkan_facts(std::span<const json> lines)
{
  Facts facts{.source = "vulkan"};
  std::optional<DeviceFacts> open;  // named, but its memory line has not come yet
  std::optional<std::uint64_t> open_index;
  bool software = false;
  std::map<std::uint64_t, std::size_t> places;  // index within Vulkan → index within facts.devices
  const auto drop_open = [&] {
    if (!open) return;
    facts.note(fmt::format("the Vulkan driver failed while {} was asked for its memory; that device is not counted from Vulkan",
                           open->name.value_or("a device")));
    open.reset();
  };
  for (const auto& line : lines) {
    if (const auto index = number(line, "device")) {
      drop_open();
      open_index = index;
      if (is_software(line)) {
        software = true;
        facts.reading(fmt::format("device {}", *index), "software driver, not a GPU",
                      clean_text(text(line, "name").value_or("")).value_or("?"));
      } else {
        open = identity(line, *index, facts);
      }
    } else if (const auto memory = number(line, "memory"); memory && open && memory == open_index) {
      read_heaps(line, *open, *memory, facts);
      places[*memory] = facts.devices.size();
      facts.devices.push_back(std::move(*open));
      open.reset();
    } else if (const auto measured = number(line, "measured"); measured && places.contains(*measured)) {
      auto& device = facts.devices[places[*measured]];
      const auto rate = line.find("bytes_per_second");
      if (rate == line.end() || !rate->is_number()) continue;
      device.bandwidth = rate->get<double>();
      device.bandwidth_source = "measured:vkCmdCopyBuffer";
      device.bandwidth_measured = true;
      facts.reading(subject(device, *measured), "copy measured",
                    fmt::format("{:.1f} GB/s read and written", *device.bandwidth / 1e9));
    } else if (const auto error = text(line, "error")) {
      facts.reading("", "error", clean_text(*error).value_or(""));
    }
  }
  drop_open();
  if (software && facts.devices.empty()) facts.reading("", "result", "only software drivers");
  return facts;
}

namespace {

namespace fs = std::filesystem;

std::string variable(const char* name)
{
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

void add_manifests(std::vector<std::string>& out, const std::string& paths)
{
  for (const auto part : split(paths, ':')) {
    if (part.empty()) continue;
    std::error_code error;
    const fs::path path(part);
    if (!fs::is_directory(path, error)) {
      out.push_back(path.string());
      continue;
    }
    std::vector<std::string> inside;
    for (fs::directory_iterator it(path, error), end; !error && it != end && inside.size() < 256; it.increment(error)) {
      if (it->path().extension() == ".json") inside.push_back(it->path().string());
    }
    std::ranges::sort(inside);
    out.insert(out.end(), inside.begin(), inside.end());
  }
}

}  // namespace

std::vector<std::string> icd_manifests()
{
  // Order and variables: "Driver Discovery on Linux", LoaderDriverInterface.md of Khronos' Vulkan-Loader.
  std::vector<std::string> out;
  auto named = variable("VK_DRIVER_FILES");
  if (named.empty()) named = variable("VK_ICD_FILENAMES");
  if (!named.empty()) {
    add_manifests(out, named);
  } else {
    add_manifests(out, variable("VK_ADD_DRIVER_FILES"));
    const auto home = variable("HOME");
    const auto either = [](const std::string& value, const std::string& otherwise) { return value.empty() ? otherwise : value; };
    std::string folders = either(variable("XDG_CONFIG_HOME"), home.empty() ? "" : home + "/.config");
    folders += ":" + either(variable("XDG_CONFIG_DIRS"), "/etc/xdg") + ":/etc";
    folders += ":" + either(variable("XDG_DATA_HOME"), home.empty() ? "" : home + "/.local/share");
    folders += ":" + either(variable("XDG_DATA_DIRS"), "/usr/local/share:/usr/share");
    for (const auto folder : split(folders, ':')) {
      std::error_code error;
      const auto inside = std::string(folder) + "/vulkan/icd.d";
      if (!folder.empty() && fs::is_directory(inside, error)) add_manifests(out, inside);
    }
  }
  // The same file reached twice is one driver.
  std::vector<std::string> distinct;
  for (auto& manifest : out) {
    if (std::ranges::find(distinct, manifest) == distinct.end()) distinct.push_back(std::move(manifest));
  }
  if (distinct.size() > 32) distinct.resize(32);
  return distinct;
}

VulkanSource::VulkanSource(std::chrono::milliseconds timeout, std::vector<std::string> changes, bool measure)
    : what_(measure ? "vulkan-measure" : "vulkan"),
      changes_(std::move(changes)),
      halfway_(Clock::now() + timeout / 2),
      deadline_(Clock::now() + timeout),
      child_(ChildProcess::start(what_, child_environment(changes_)))
{
}

Result<Facts> VulkanSource::read()
{
  if (!child_) return tl::unexpected(child_.error());
  ChildProcess* all[] = {&*child_};
  ChildProcess::collect(all, halfway_);
  auto facts = vulkan_facts(child_->lines());
  if (child_->complete()) {
    for (const auto& line : child_->lines()) {
      if (const auto error = text(line, "error"); error && line.contains("absent")) {
        return fail(ErrorKind::unavailable,
                    fmt::format("there is no Vulkan loader: {}", clean_text(*error).value_or("not found")));
      }
      // VK_ERROR_INCOMPATIBLE_DRIVER: no driver is installed. Who misses one is told by the merge.
      if (const auto error = text(line, "error"); error && number(line, "result") != 9)
        facts.note(fmt::format("Vulkan has no working driver: {}", clean_text(*error).value_or("it failed")));
    }
    return facts;
  }
  return read_each_driver(std::move(facts));
}

namespace {

/// Is it a device that `known` has from Vulkan already, counting each of those once?
bool take_same(std::vector<DeviceFacts>& known, const DeviceFacts& device)
{
  const auto same = std::ranges::find_if(known, [&](const DeviceFacts& k) {
    return k.driver == device.driver && k.pci_address == device.pci_address && k.uuid == device.uuid && k.name == device.name;
  });
  if (same == known.end()) return false;
  known.erase(same);
  return true;
}

}  // namespace

Result<Facts> VulkanSource::read_each_driver(Facts whole)
{
  const auto manifests = icd_manifests();
  std::vector<Result<ChildProcess>> started;
  for (const auto& manifest : manifests) {
    auto changes = changes_;
    changes.insert(changes.end(), {"VK_DRIVER_FILES=" + manifest, "VK_ICD_FILENAMES=" + manifest, "VK_ADD_DRIVER_FILES"});
    started.push_back(ChildProcess::start(what_, child_environment(changes)));
  }
  // The first child may merely be slow (a card that wakes up): it keeps running beside the others.
  std::vector<ChildProcess*> running{&*child_};
  for (auto& child : started) {
    if (child) running.push_back(&*child);
  }
  const std::span<ChildProcess*> each(running.begin() + 1, running.end());
  const auto first_fate = child_->finished() ? child_->fate() : std::string();
  ChildProcess::collect(each, deadline_);
  if (!child_->finished())
    ChildProcess::collect(std::span<ChildProcess*>(running.data(), 1), Clock::now() + std::chrono::milliseconds(1));
  if (child_->complete()) return vulkan_facts(child_->lines());

  Facts facts{.source = "vulkan", .complete = false};
  bool named = false;
  for (std::size_t i = 0; i < started.size(); ++i) {
    if (!started[i]) continue;
    auto one = vulkan_facts(started[i]->lines());
    facts.devices.insert(facts.devices.end(), one.devices.begin(), one.devices.end());
    facts.notes.insert(facts.notes.end(), one.notes.begin(), one.notes.end());
    facts.readings.insert(facts.readings.end(), one.readings.begin(), one.readings.end());
    if (started[i]->complete()) continue;
    named = true;
    const auto driver = fs::path(manifests[i]).filename().string();
    const auto fate = started[i]->fate();
    facts.note(
        fate == "still running"
            ? fmt::format("the Vulkan driver {} did not answer in time and was stopped; the others were asked one by one", driver)
            : fmt::format("the Vulkan driver {} crashed ({}); the others were asked one by one", driver, fate));
  }
  if (!named) {
    facts.note(fmt::format("Vulkan failed with all drivers together ({}), so they were asked one by one",
                           first_fate.empty() || first_fate == "still running" ? "no answer in time" : first_fate));
  }
  // What the first child had written before it failed counts as well, unless a later one wrote the same.
  auto known = facts.devices;
  for (auto& device : whole.devices) {
    if (!take_same(known, device)) facts.devices.push_back(std::move(device));
  }
  return facts;
}

}  // namespace canirun
