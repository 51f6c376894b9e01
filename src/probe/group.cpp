#include <algorithm>
#include <array>
#include <iterator>

#include "probe/identity.hpp"
#include "probe/merge.hpp"

namespace canirun {

namespace {

// Sources that know places on the bus come first, so that the others find a card to join.
constexpr std::array<std::string_view, 8> k_order{"pci", "amdgpu", "kfd", "proc-nvidia", "drm", "nvml", "vulkan", "device-tree"};

bool same(const std::optional<std::string>& a, const std::optional<std::string>& b) { return a && b && *a == *b; }

bool is_software_layer(const DeviceFacts& device)
{
  return device.source == "vulkan" || device.source == "device-tree" || device.source == "nvml";
}

/// Has this driver named a device of the group already? Then another one of its devices is another card.
bool knows(const DeviceGroup& group, const DeviceFacts& device)
{
  return std::ranges::any_of(group,
                             [&](const DeviceFacts* r) { return r->source == device.source && r->driver == device.driver; });
}

/// Do both records name a place on the bus, and different ones?
bool elsewhere(const DeviceGroup& group, const DeviceFacts& device)
{
  return device.pci_address && std::ranges::any_of(group, [&](const DeviceFacts* r) {
           return r->pci_address && *r->pci_address != *device.pci_address;
         });
}

bool on_pci(const DeviceGroup& group)
{
  return std::ranges::any_of(group, [](const DeviceFacts* r) { return r->pci_address.has_value(); });
}

template <typename Predicate>
DeviceGroup* find(std::vector<DeviceGroup>& groups, Predicate predicate)
{
  const auto it = std::ranges::find_if(groups, predicate);
  return it == groups.end() ? nullptr : &*it;
}

DeviceGroup* find_group(std::vector<DeviceGroup>& groups, const DeviceFacts& device)
{
  const auto any = [&](const DeviceGroup& group, auto field) {
    return std::ranges::any_of(group, [&](const DeviceFacts* r) { return same(r->*field, device.*field) && !r->parent; });
  };
  if (device.parent) return nullptr;  // a MIG instance is a device of its own
  if (auto* g = find(groups, [&](const auto& group) { return any(group, &DeviceFacts::pci_address); })) return g;
  if (auto* g = find(groups, [&](const auto& group) { return any(group, &DeviceFacts::uuid) && !elsewhere(group, device); }))
    return g;
  if (auto* g = find(groups, [&](const auto& group) { return any(group, &DeviceFacts::luid) && !elsewhere(group, device); }))
    return g;
  if (device.pci_address || !is_software_layer(device)) return nullptr;
  // No identity, such as Dozen under WSL: one card of the same model that this driver has not named.
  if (auto* g = find(groups, [&](const auto& group) { return any(group, &DeviceFacts::pci_id) && !knows(group, device); }))
    return g;
  // A GPU of a system on a chip is not on PCI and has no ids that its drivers agree on, but there is only one.
  if (device.type != GpuType::integrated) return nullptr;
  return find(groups, [&](const auto& group) {
    return !on_pci(group) && std::ranges::any_of(group, [&](const DeviceFacts* r) {
      return r->source != device.source && r->type == GpuType::integrated && r->vendor_id == device.vendor_id && !r->parent;
    });
  });
}

}  // namespace

std::vector<DeviceGroup> group_devices(std::span<const Facts> facts)
{
  std::vector<DeviceGroup> groups;
  for (const auto source : k_order) {
    for (const auto& f : facts) {
      if (f.source != source) continue;
      // Those with a place on the bus first: two drivers of one card need not both tell it.
      for (const bool placed : {true, false}) {
        for (const auto& device : f.devices) {
          if (device.pci_address.has_value() != placed) continue;
          if (auto* group = find_group(groups, device)) {
            group->push_back(&device);
          } else {
            groups.push_back({&device});
          }
        }
      }
    }
  }
  // A card in MIG mode stands for nothing once its instances are there.
  const auto has_instances = [&](const DeviceGroup& group) {
    return std::ranges::any_of(groups, [&](const DeviceGroup& other) {
      const auto& parent = other.front()->parent;
      return parent &&
             std::ranges::any_of(group, [&](const DeviceFacts* r) { return same(r->pci_address, parent) && !r->parent; });
    });
  };
  std::vector<DeviceGroup> kept;
  std::ranges::remove_copy_if(groups, std::back_inserter(kept), has_instances);
  return kept;
}

const DeviceFacts* kept_vulkan(const DeviceGroup& group)
{
  const DeviceFacts* best = nullptr;
  for (const auto* r : group) {
    if (r->source == "vulkan" && (best == nullptr || r->driver_rank < best->driver_rank)) best = r;
  }
  return best;
}

const DeviceFacts* record_of(const DeviceGroup& group, std::string_view source)
{
  const auto it = std::ranges::find_if(group, [&](const DeviceFacts* r) { return r->source == source; });
  return it == group.end() ? nullptr : *it;
}

}  // namespace canirun
