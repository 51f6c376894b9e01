#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/hardware.hpp"
#include "canirun/core/result.hpp"
#include "canirun/formats/data_paths.hpp"

/// \file
/// The GPU table `data/gpus.json` (canirun.gpus/1): published figures of cards, for `--gpu` and for what drivers do not report.

namespace canirun {

struct GpuEntry {
  std::string id;
  std::string name;
  std::string vendor;
  std::string arch;
  std::string form;  ///< "desktop", "mobile", "datacenter", "workstation", "integrated", "soc" …
  std::uint32_t year = 0;
  std::vector<double> vram_gib;
  std::optional<double> bandwidth_gbs;
  std::vector<double> bandwidth_variants;  ///< All that is sold under the name, where it differs.
  std::optional<double> fp32_tflops;
  std::optional<double> fp16_tflops;  ///< Dense, with the accumulator that `fp16_basis` says.
  std::string fp16_basis;
  std::optional<double> tdp_w;
  bool unified = false;
  std::uint32_t dies = 1;  ///< A board of several GPUs: sizes and rates are the board's, programs see the dies.
  std::vector<std::string> pci_ids;
  std::string compute_capability;  ///< NVIDIA.
  std::string gfx_target;          ///< AMD.
  std::vector<std::string> aliases;
  std::string confidence;  ///< "cross-checked", "single-source" or "recalled".
  std::vector<std::string> sources;
  std::vector<std::string> disagreement;  ///< What other tables say.
  std::string notes;
};

struct GpuMatch {
  std::vector<Gpu> gpus;           ///< As many as "2x NAME" says.
  std::vector<std::string> notes;  ///< "smallest of 3 versions taken".
};

class GpuTable {
 public:
  static Result<GpuTable> builtin();
  static Result<GpuTable> parse(std::string_view json, std::string_view file);

  /// Entries of `other` are added; those with an id that exists replace it.
  void merge(GpuTable other);

  std::span<const GpuEntry> entries() const { return entries_; }
  /// By PCI id ("10de:2684"). AMD shares ids between cards: `vram` picks the one with the nearest size, `name` (the driver's)
  /// goes before it.
  const GpuEntry* find_pci(std::string_view pci_id, std::optional<Bytes> vram, std::string_view name = {}) const;
  const GpuEntry* find_id(std::string_view id) const;
  /// A card as people type it: "RTX 4090", "4090:24G", "2x RTX 3090", "3090 x2", "M3 Max 64GB" (docs/usage.md, "GPU names").
  /// The size of a unified GPU is the one in the text, else `ram` (stated), else the smallest of the table, else `machine_ram`.
  /// Errors: not_found with suggestions, invalid_argument with the choices.
  Result<GpuMatch> lookup(std::string_view text, std::optional<Bytes> ram, std::optional<Bytes> machine_ram = {}) const;
  /// The entries whose id, name or alias holds `text`; else those that `lookup` would choose among. Empty: none.
  std::vector<const GpuEntry*> search(std::string_view text) const;

 private:
  std::vector<GpuEntry> entries_;
};

/// The whole table: compiled in or replaced, then each addition (see load_catalogue).
Result<GpuTable> load_gpu_table(const DataEnvironment& environment, std::span<const std::filesystem::path> extra);

/// The card as a device of a machine, every figure with source "table:<id>". Of a board with several dies: one of them, `vram` its own.
Gpu to_gpu(const GpuEntry& entry, Bytes vram);

/// Fills architecture, bandwidth and FLOPS of the profile's GPUs from the table, by PCI id, name and memory size; reported figures
/// win and the table's stay beside them as alternatives.
void fill_from_table(HardwareProfile& profile, const GpuTable& table);

}  // namespace canirun
