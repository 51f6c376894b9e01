#pragma once

#include <span>
#include <vector>

#include "probe/facts.hpp"

/// \file
/// From what the sources say to one profile. Everything here is pure: the same facts, the same profile (docs/probe.md has the rules
/// and the order of trust).

namespace canirun {

/// Records of one physical device (or MIG instance), in the order of their sources.
using DeviceGroup = std::vector<const DeviceFacts*>;

struct Merged {
  HardwareProfile profile;
  std::vector<ProbeDecision> decisions;

  void decide(std::string subject, std::string what, std::string chosen, std::string reason)
  {
    decisions.push_back({std::move(subject), std::move(what), std::move(chosen), std::move(reason)});
  }
  void note(std::string source, std::string text) { profile.notes.push_back({std::move(source), std::move(text)}); }
};

/// The profile and why it is so.
Merged merge_with_reasons(std::span<const Facts> facts);
/// The profile alone.
HardwareProfile merge(std::span<const Facts> facts);

/// Records that are the same device: by PCI address, else by UUID, else by LUID. A driver that knows none of them is matched by its
/// PCI id with a card it has not named yet, so that two equal cards stay two.
std::vector<DeviceGroup> group_devices(std::span<const Facts> facts);

/// The Vulkan record that is kept: the lowest rank. Null when Vulkan does not know the device.
const DeviceFacts* kept_vulkan(const DeviceGroup& group);
/// The first record of a source; null when there is none.
const DeviceFacts* record_of(const DeviceGroup& group, std::string_view source);

/// What the merge of a device needs to know of the machine.
struct Machine {
  std::optional<Bytes> ram_usable;  ///< The smallest of installed memory and every limit.
  std::optional<Bytes> ram_available;
  bool may_read_gpu_counters = false;
  bool container = false;
};

/// Fills memory_total, memory_dedicated, memory_free and memory_reserved of `gpu`, whose type is set.
void merge_memory(Gpu& gpu, const DeviceGroup& group, const Machine& machine, const std::string& subject, Merged& out);

/// Memory of a device by its Vulkan heaps: those that count, their sum, and what is free in them (empty = not all say).
struct HeapSum {
  Bytes total{};
  std::optional<Bytes> free{};
  Bytes largest{};
  std::string rule{};
};
std::optional<HeapSum> sum_heaps(const DeviceFacts& vulkan, GpuType type);

}  // namespace canirun
