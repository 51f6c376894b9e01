#pragma once

#include "probe/source.hpp"
#include "probe/sysroot.hpp"

/// \file
/// Sources of what is not a GPU: the system, the processor, the memory.

namespace canirun {

/// Operating system, kernel, container, WSL.
class HostSource : public ProbeSource {
 public:
  explicit HostSource(const Sysroot& sys) : sys_(sys) {}
  std::string_view name() const override { return "host"; }
  Result<Facts> read() override;

 private:
  const Sysroot& sys_;
};

/// Cores, kinds and NUMA nodes from hwloc, instruction sets from cpuid, affinity and quota from procfs and cgroups.
class CpuSource : public ProbeSource {
 public:
  explicit CpuSource(const Sysroot& sys) : sys_(sys) {}
  std::string_view name() const override { return "cpu"; }
  Result<Facts> read() override;

 private:
  const Sysroot& sys_;
};

/// RAM: /proc/meminfo without NUMA nodes that are a GPU's memory, swap, and the limits of all ancestor cgroups.
class MemorySource : public ProbeSource {
 public:
  explicit MemorySource(const Sysroot& sys) : sys_(sys) {}
  std::string_view name() const override { return "memory"; }
  Result<Facts> read() override;

 private:
  const Sysroot& sys_;
};

}  // namespace canirun
