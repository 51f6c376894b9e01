#include <algorithm>
#include <fmt/format.h>

#include "emit/container.hpp"
#include "emit/emitters.hpp"
#include "emit/yaml.hpp"

/// \file
/// Docker Compose. GPUs: docs.docker.com/compose/how-tos/gpu-support (NVIDIA); llama.cpp docs/docker.md (device nodes of AMD, Intel).

namespace canirun {

namespace {

/// Compose replaces $NAME and ${NAME}; $$ stands for $.
std::string without_variables(std::string text)
{
  for (std::size_t at = 0; (at = text.find('$', at)) != std::string::npos; at += 2) text.insert(at, "$");
  return text;
}

/// All of the machine's cards of the vendor: a number. Some of them: their ids, as nvidia-smi counts or names them.
std::string nvidia_devices(const ContainerGpus& group, const HardwareProfile& hardware)
{
  std::vector<std::string> ids;
  std::size_t of_vendor = 0;
  for (std::size_t i = 0; i < hardware.gpus.size(); ++i) {
    const auto& gpu = hardware.gpus[i];
    if (gpu.vendor != group.vendor || gpu.type == GpuType::cpu) continue;
    if (std::ranges::find(group.indices, i) != group.indices.end())
      ids.push_back(gpu.uuid.value_or(fmt::format("{}", of_vendor)));
    ++of_vendor;
  }
  std::string which = fmt::format("              count: {}\n", ids.size());
  if (ids.size() < of_vendor) {
    which = "              device_ids: [";
    for (const auto& id : ids) which += fmt::format("{}{}", id == ids.front() ? "" : ", ", yaml_string(without_variables(id)));
    which += "]\n";
  }
  return "          devices:\n            - driver: nvidia\n" + which + "              capabilities: [gpu]\n";
}

}  // namespace

Result<std::string> emit_compose(const EmitRequest& request)
{
  const auto container = container_of(request);
  if (!container) return tl::unexpected(container.error());
  const auto& c = *container;
  const auto name = safe_name(request.model);
  std::vector<std::string> arguments;
  for (const auto& a : c.arguments) arguments.push_back(without_variables(a));
  std::string reserved, nodes;
  for (const auto& g : c.gpus) {
    if (g.vendor == "NVIDIA") reserved += nvidia_devices(g, request.report.hardware);
    else nodes += g.vendor == "AMD" ? "    devices: [/dev/kfd, /dev/dri]\n" : "    devices: [/dev/dri]\n";
  }
  auto out = describe_run(request);
  if (!nodes.empty())
    out += "# the container's user needs the host's groups video and render: add group_add with their numbers\n";
  out += fmt::format("services:\n  {}:\n    image: {}\n", name, c.image);
  if (!c.entrypoint.empty()) out += fmt::format("    entrypoint: {}\n", yaml_list(c.entrypoint));
  out += fmt::format("    command: {}\n    ports:\n      - \"{}:{}\"\n", yaml_list(arguments), c.port, c.port);
  const auto source = c.volume_source.empty() ? std::string("models") : explicit_path(c.volume_source);
  out += fmt::format("    volumes:\n      - type: {}\n        source: {}\n        target: {}\n{}",
                     c.volume_source.empty() ? "volume" : "bind", yaml_string(without_variables(source)), c.volume_target,
                     c.volume_read_only ? "        read_only: true\n" : "");
  if (c.shared_memory_gib > 0) out += fmt::format("    shm_size: {}g\n", c.shared_memory_gib);
  out += nodes;
  out += fmt::format(
      "    deploy:\n      resources:\n        limits:\n          memory: {0}g\n        reservations:\n          memory: "
      "{0}g\n{1}",
      c.memory_gib, reserved);
  if (c.volume_source.empty()) out += "volumes:\n  models: {}\n";
  return out;
}

}  // namespace canirun
