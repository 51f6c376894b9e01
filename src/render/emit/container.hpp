#pragma once

#include <string>
#include <vector>

#include "canirun/render/emit.hpp"

/// \file
/// A run in a container, before it is written as a Kubernetes or a Compose file.

namespace canirun {

/// GPUs of one vendor that the container is given.
struct ContainerGpus {
  std::string vendor;
  std::string resource;              ///< Kubernetes' extended resource, "nvidia.com/gpu".
  std::vector<std::size_t> indices;  ///< Into the machine's GPUs.
};

struct Container {
  std::string image;
  std::vector<std::string> entrypoint;  ///< Empty = the image's own.
  std::vector<std::string> arguments;
  std::uint16_t port = 0;
  std::string health_path;
  std::uint32_t memory_gib = 0;  ///< What the host needs, rounded up.
  std::uint32_t cpus = 0;
  std::uint32_t shared_memory_gib = 0;  ///< /dev/shm, part of memory_gib; 0 = the default.
  std::vector<ContainerGpus> gpus;
  std::string volume_source;  ///< Folder of the model on this machine; "" = a cache that the container fills.
  std::string volume_target;
  bool volume_read_only = true;
};

/// Errors: invalid_argument, where no container reaches the GPUs of the row.
Result<Container> container_of(const EmitRequest& request);

}  // namespace canirun
