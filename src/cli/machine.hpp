#pragma once

#include <optional>

#include "canirun/core/hardware.hpp"
#include "canirun/formats/gpu_table.hpp"
#include "canirun/probe/probe.hpp"
#include "environment.hpp"
#include "options.hpp"

namespace canirun {

/// How this machine is to be examined.
ProbeOptions probe_options(const MachineOptions& options, const Environment& env);

/// The GPU table for who needs it for nothing but machines: read once, and only where there is a GPU.
class LazyGpuTable {
 public:
  explicit LazyGpuTable(const Environment& env) : env_(env) {}
  Result<const GpuTable*> get();

 private:
  const Environment& env_;
  std::optional<GpuTable> table_;
};

/// The machine that is asked about: this one or a profile, completed from the GPU table, with what the options replace.
Result<HardwareProfile> machine_of(const MachineOptions& options, const Environment& env, const GpuTable& table);
Result<HardwareProfile> machine_of(const MachineOptions& options, const Environment& env, LazyGpuTable& table);
Result<HardwareProfile> machine_of(const MachineOptions& options, const Environment& env);

struct NamedMachine {
  std::string name;  ///< Empty where there is only one.
  HardwareProfile hardware;
};

/// One machine, or one for each of several profiles under the name of its file, with what the options replace in each.
Result<std::vector<NamedMachine>> machines_of(const Options& options, const Environment& env, LazyGpuTable& table);

/// Names for profiles: what their files are called without folder and ".json", or the whole path where two would be the same.
std::vector<std::string> names_of(const std::vector<std::string>& paths);

}  // namespace canirun
