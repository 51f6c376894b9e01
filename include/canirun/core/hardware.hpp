#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "canirun/core/units.hpp"

/// \file
/// A machine as plain values (canirun.hardware/1). Every figure carries where it comes from.

namespace canirun {

enum class FigureConfidence { reported, derived, table, measured, assumed };

/// A figure of a machine with its provenance; what other sources say stays beside it.
struct Figure {
  double value = 0;
  std::string unit;    ///< "B", "B/s", "FLOP/s", "MHz".
  std::string source;  ///< "vulkan:VK_EXT_memory_budget", "table:geforce-rtx-4090", "--vram".
  FigureConfidence confidence = FigureConfidence::reported;
  struct Alternative {
    double value = 0;
    std::string source;
    friend bool operator==(const Alternative&, const Alternative&) = default;
  };
  std::vector<Alternative> alternatives;
  friend bool operator==(const Figure&, const Figure&) = default;

  Bytes bytes() const { return {value > 0 ? static_cast<std::uint64_t>(value) : 0}; }
};
using OptionalFigure = std::optional<Figure>;

enum class GpuType { discrete, integrated, virtual_gpu, cpu };

struct Gpu {
  std::string name;
  std::string vendor;
  GpuType type = GpuType::discrete;
  std::optional<std::string> pci_address;
  std::optional<std::string> pci_id;  ///< "10de:2684".
  std::optional<std::string> uuid;
  std::optional<std::string> driver;
  std::vector<std::string> backends;  ///< "cuda", "vulkan", "rocm", "metal".
  bool unified_memory = false;
  std::string architecture;  ///< "Ampere", "RDNA3", "Apple silicon"; empty = unknown. Decides how fast it computes.
  OptionalFigure memory_total;
  OptionalFigure memory_reserved;   ///< What the driver keeps for itself (NVML); part of memory_total.
  OptionalFigure memory_dedicated;  ///< Unified: firmware's carve-out, part of memory_total that the RAM's total lacks.
  OptionalFigure memory_free;
  OptionalFigure bandwidth;
  OptionalFigure fp16_tflops;           ///< unit "TFLOP/s", dense.
  OptionalFigure fp32_tflops;           ///< unit "TFLOP/s"; what counts where fp16 has no full rate (Pascal).
  std::optional<std::string> table_id;  ///< Entry of data/gpus.json that fills what no source reported.
  /// A card of the table (--gpu): its nominal size counts whole, no driver's reserve is taken off.
  bool from_table = false;
  friend bool operator==(const Gpu&, const Gpu&) = default;
};

struct Cpu {
  std::string model;
  std::optional<std::uint32_t> physical_cores;
  std::optional<std::uint32_t> logical_cores;
  std::optional<std::uint32_t> usable_cores;  ///< Within affinity and quota.
  std::optional<std::uint32_t> performance_cores;
  std::vector<std::string> isa;
  std::optional<std::uint32_t> numa_nodes;
  friend bool operator==(const Cpu&, const Cpu&) = default;
};

struct Memory {
  std::optional<Bytes> total;
  std::optional<Bytes> limit;  ///< The smallest cgroup limit; empty = none.
  std::optional<Bytes> available;
  std::optional<Bytes> swap_free;
  OptionalFigure bandwidth;
  friend bool operator==(const Memory&, const Memory&) = default;
};

struct Host {
  std::string os;
  std::string kernel;
  std::string arch;
  std::optional<std::string> container;
  bool wsl = false;
  std::optional<std::string> name = {};  ///< Only what `probe --host NAME` was given: a profile says nothing that was not asked of it.
  friend bool operator==(const Host&, const Host&) = default;
};

struct HardwareNote {
  std::string source;
  std::string text;
  friend bool operator==(const HardwareNote&, const HardwareNote&) = default;
};

struct HardwareProfile {
  Host host;
  Cpu cpu;
  Memory memory;
  std::vector<Gpu> gpus;
  std::vector<HardwareNote> notes;
  friend bool operator==(const HardwareProfile&, const HardwareProfile&) = default;
};

}  // namespace canirun
