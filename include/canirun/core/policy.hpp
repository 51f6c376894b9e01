#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "canirun/core/check.hpp"
#include "canirun/core/file_type.hpp"
#include "canirun/core/tensor_type.hpp"
#include "canirun/core/units.hpp"

/// \file
/// What a team requires of its models on its classes of machines (canirun.policy/1, docs/ci.md).

namespace canirun {

/// A class of machines in the terms of the command line's options. Nothing stated: the machine of the command line.
struct PolicyMachine {
  std::string name;
  std::vector<std::string> hardware;  ///< Profiles, one for each machine of the class; paths as in the file.
  std::vector<std::string> gpus;      ///< As `--gpu` takes them.
  std::optional<Bytes> vram;
  std::optional<Bytes> ram;
  std::optional<BytesPerSecond> gpu_bandwidth;
  std::optional<BytesPerSecond> ram_bandwidth;
  std::optional<std::uint32_t> cores;
  bool no_gpu = false;
};

/// One requirement of some models on some classes of machines.
struct PolicyRule {
  std::vector<std::string> models;  ///< As MODEL on the command line; files as written, relative to the policy's folder.
  std::vector<std::size_t> machines;  ///< Indices into `Policy::machines`.
  std::vector<FileType> quants;     ///< Empty: any quantisation that meets everything is enough.
  std::optional<std::uint32_t> n_ctx;
  std::optional<std::uint32_t> n_seq_max;
  std::optional<TensorType> cache_type_k;
  std::optional<TensorType> cache_type_v;
  Requirements requirements;
};

struct Policy {
  std::vector<PolicyMachine> machines;  ///< At least one: a file without machines means the machine of the command line.
  std::vector<PolicyRule> rules;        ///< At least one; each names at least one model and one machine.
};

}  // namespace canirun
