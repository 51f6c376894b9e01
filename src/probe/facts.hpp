#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "canirun/core/hardware.hpp"
#include "canirun/probe/doctor.hpp"

/// \file
/// What one source knows about this machine, before anything is decided. Every field a source cannot know is empty: absent is
/// never zero. `merge` (merge.hpp) makes one profile of them.

namespace canirun {

/// How a source knows that a device shares its memory with the CPU, weakest first.
enum class TypeEvidence { guess, structure, driver_flag, no_own_memory, compute_capability, vulkan };

struct MemoryHeap {
  Bytes size{};
  bool device_local = false;
  std::optional<Bytes> free{};  ///< Budget minus usage, never above `size`; empty = the driver does not say.
};

/// One device as one source sees it.
struct DeviceFacts {
  std::string source{};                      ///< "vulkan", "nvml", "amdgpu", "kfd", "pci", "proc-nvidia", "drm", "soc".
  std::optional<std::string> pci_address{};  ///< "0000:01:00.0"; domain of at least four digits, lower case.
  std::optional<std::string> pci_id{};       ///< "10de:2684".
  std::optional<std::string> uuid{};         ///< 32 hex digits, lower case, no dashes.
  std::optional<std::string> luid{};         ///< 16 hex digits (Windows and WSL).
  std::optional<std::string> parent{};       ///< PCI address of the card a MIG instance is a part of.
  std::optional<std::string> name{};
  std::optional<std::uint32_t> vendor_id{};   ///< PCI vendor, or Khronos' id above 0xffff.
  std::optional<std::string> driver{};        ///< "NVIDIA 550.54.14", "radv Mesa 24.0.5".
  std::optional<std::string> architecture{};  ///< As data/gpus.json spells it.
  std::vector<std::string> backends{};        ///< Runtimes this record proves: "cuda", "vulkan", "rocm".
  std::optional<GpuType> type{};
  TypeEvidence type_evidence = TypeEvidence::guess;
  std::optional<Bytes> memory_total{};      ///< Of the device itself; for an integrated one what it may use.
  std::optional<Bytes> memory_dedicated{};  ///< amdgpu: the carve-out (an APU) or the card's memory.
  std::optional<Bytes> memory_dedicated_used{};
  std::optional<Bytes> memory_shared{};  ///< amdgpu: GTT, system memory the device may map.
  std::optional<Bytes> memory_shared_used{};
  std::optional<Bytes> memory_free{};
  std::optional<Bytes> memory_reserved{};
  std::vector<MemoryHeap> heaps{};     ///< Vulkan.
  std::optional<Bytes> largest_bar{};  ///< PCI.
  std::optional<double> bandwidth{};   ///< B/s.
  bool bandwidth_of_card = false;     ///< Derived for memory as cards have it; wrong for memory shared with a CPU.
  bool bandwidth_measured = false;     ///< By a copy, on request: it wins over what clocks and tables say.
  std::string bandwidth_source{};      ///< "nvml:2*clock*width".
  int driver_rank = 0;                 ///< Vulkan: the lowest of a card is the record that is kept.
  bool weak = false;                   ///< This record alone does not prove a device that can compute.
  std::string weak_reason{};
  bool asleep = false;    ///< power/runtime_status says suspended.
  bool node_missing = false;  ///< The device has a render node, but not here.
  bool unusable = false;  ///< Passed to a virtual machine, or a virtual function of a card on its host.
};

struct HostFacts {
  Host host{};
  bool may_read_gpu_counters = false;  ///< CAP_PERFMON or CAP_SYS_ADMIN: Intel's free memory means something.
};

/// A limit that one cgroup sets, and what is left of it.
struct MemoryLimit {
  std::string cgroup{};
  Bytes limit{};
  std::optional<Bytes> available{};
};

struct MemoryFacts {
  std::optional<Bytes> total{};  ///< MemTotal without NUMA nodes that are a GPU's memory.
  std::optional<Bytes> available{};
  std::optional<Bytes> swap_free{};
  std::vector<MemoryLimit> limits{};  ///< Of every ancestor cgroup that has one.
  OptionalFigure bandwidth{};         ///< Measured.
};

struct CpuFacts {
  Cpu cpu{};
  std::optional<double> quota{};  ///< CPUs' worth of time, the smallest over all ancestor cgroups.
};

struct Facts {
  std::string source{};
  bool complete = true;  ///< All that the source knows; false when its driver failed before it had told everything.
  std::optional<HostFacts> host{};
  std::optional<CpuFacts> cpu{};
  std::optional<MemoryFacts> memory{};
  std::vector<DeviceFacts> devices{};
  std::vector<HardwareNote> notes{};
  std::vector<ProbeReading> readings{};  ///< Raw text, for `canirun doctor`.

  void note(std::string text) { notes.push_back({source, std::move(text)}); }
  void reading(std::string subject, std::string key, std::string value)
  {
    readings.push_back({source, std::move(subject), std::move(key), std::move(value)});
  }
};

}  // namespace canirun
