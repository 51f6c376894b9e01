#pragma once

#include "probe/source.hpp"
#include "probe/sysroot.hpp"

/// \file
/// Sources that find GPUs in sysfs and procfs, without opening a driver.

namespace canirun {

/// Display and accelerator devices on PCI: address, id, driver, largest BAR, asleep or not, passed to a virtual machine or not.
class PciSource : public ProbeSource {
 public:
  explicit PciSource(const Sysroot& sys) : sys_(sys) {}
  std::string_view name() const override { return "pci"; }
  Result<Facts> read() override;

 private:
  const Sysroot& sys_;
};

/// amdgpu's memory counters: mem_info_vram_*, mem_info_gtt_* in bytes.
class AmdgpuSource : public ProbeSource {
 public:
  explicit AmdgpuSource(const Sysroot& sys) : sys_(sys) {}
  std::string_view name() const override { return "amdgpu"; }
  Result<Facts> read() override;

 private:
  const Sysroot& sys_;
};

/// The topology of AMD's compute driver: partitions, memory banks, clocks.
class KfdSource : public ProbeSource {
 public:
  explicit KfdSource(const Sysroot& sys) : sys_(sys) {}
  std::string_view name() const override { return "kfd"; }
  Result<Facts> read() override;

 private:
  const Sysroot& sys_;
};

/// /proc/driver/nvidia: which cards the loaded driver has, and its version.
class NvidiaProcSource : public ProbeSource {
 public:
  explicit NvidiaProcSource(const Sysroot& sys) : sys_(sys) {}
  std::string_view name() const override { return "proc-nvidia"; }
  Result<Facts> read() override;

 private:
  const Sysroot& sys_;
};

/// NVIDIA's systems on a chip (Jetson), whose GPU is not on PCI: the device tree names them.
class SocSource : public ProbeSource {
 public:
  explicit SocSource(const Sysroot& sys) : sys_(sys) {}
  std::string_view name() const override { return "device-tree"; }
  Result<Facts> read() override;

 private:
  const Sysroot& sys_;
};

}  // namespace canirun
