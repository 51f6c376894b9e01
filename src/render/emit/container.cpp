#include "emit/container.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "canirun/core/command.hpp"
#include "describe.hpp"
#include "emit/emitters.hpp"

namespace canirun {

namespace {

struct VendorResource {
  std::string_view vendor, resource;
};
// kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus: the device plugins of the vendors. Intel's plugin names the kernel driver.
constexpr std::array k_resources{VendorResource{"NVIDIA", "nvidia.com/gpu"}, VendorResource{"AMD", "amd.com/gpu"},
                                 VendorResource{"Intel", "gpu.intel.com/i915"}};

/// llama.cpp docs/docker.md.
std::string llama_image(Backend backend)
{
  constexpr std::string_view repository = "ghcr.io/ggml-org/llama.cpp";
  switch (backend) {
    case Backend::cuda: return fmt::format("{}:server-cuda", repository);
    case Backend::rocm: return fmt::format("{}:server-rocm", repository);
    case Backend::vulkan: return fmt::format("{}:server-vulkan", repository);
    default: return fmt::format("{}:server", repository);
  }
}

Result<std::vector<ContainerGpus>> gpus_of(const EmitRequest& request)
{
  std::vector<ContainerGpus> groups;
  for (const auto index : request.row.placement.gpus) {
    const auto& gpu = request.report.hardware.gpus[index];
    const auto known = std::ranges::find(k_resources, gpu.vendor, &VendorResource::vendor);
    if (known == k_resources.end()) {
      return fail(
          ErrorKind::invalid_argument,
          fmt::format("a container cannot be given a GPU of {}; add --no-gpu for a run on the processor, or --emit llama-server",
                      gpu.vendor.empty() ? "an unknown vendor" : gpu.vendor));
    }
    auto group = std::ranges::find(groups, gpu.vendor, &ContainerGpus::vendor);
    if (group == groups.end()) group = groups.insert(groups.end(), {gpu.vendor, std::string(known->resource), {}});
    group->indices.push_back(index);
  }
  return groups;
}

/// What RAM must hold, in whole GiB.
std::uint32_t host_gib(const QuantReport& row)
{
  Bytes need;
  for (const auto& d : row.devices) {
    if (d.device == "host") need += d.parts.total();
  }
  return static_cast<std::uint32_t>(pad_to(std::max<std::uint64_t>(need.count, 1), 1ull << 30) >> 30);
}

std::uint32_t cores_of(const Cpu& cpu)
{
  return std::max(1u, cpu.usable_cores.value_or(cpu.physical_cores.value_or(cpu.logical_cores.value_or(1))));
}

void run_llama_server(const EmitRequest& request, Container& c)
{
  const auto& placement = request.row.placement;
  auto run = run_of(request.report, request.model, request.row);
  c.volume_target = "/models";
  c.volume_source = is_own_file(request) ? folder_of(request.row.file) : "./models";
  run.file = "/models/" + base_name(request.row.file);
  if (!run.projector.empty()) run.projector = "/models/" + base_name(run.projector);  // beside the model
  c.image = llama_image(placement.gpus.empty() ? Backend::cpu : placement.backend);
  c.arguments = llama_arguments(run, LlamaProgram::server, Visible::used_gpus);
  if (placement.mode != Placement::Mode::gpu) {
    c.cpus = cores_of(request.report.hardware.cpu);
    c.arguments.insert(c.arguments.end(), {"-t", fmt::format("{}", c.cpus)});
  }
  // The server keeps up to 8 GiB of old prompts in RAM unless told otherwise; the memory below is that of the estimate.
  c.arguments.insert(c.arguments.end(), {"--cache-ram", "0", "--host", "0.0.0.0", "--port", "8080"});
  c.port = 8080;
}

void run_vllm(const EmitRequest& request, Container& c)
{
  auto run = run_of(request.report, request.model, request.row);
  const bool published = run.file == request.model.hf_repo;
  c.image = request.row.placement.backend == Backend::rocm ? "rocm/vllm:latest" : "vllm/vllm-openai:latest";
  c.entrypoint = {"vllm", "serve"};
  c.volume_target = published ? "/root/.cache/huggingface" : "/models";
  c.volume_source = published ? "" : is_own_file(request) ? folder_of(run.file) : "./models";
  c.volume_read_only = !published;
  if (!published) run.file = "/models/" + base_name(run.file);
  c.arguments = vllm_arguments(run);
  c.arguments.insert(c.arguments.end(), {"--host", "0.0.0.0", "--port", "8000"});
  c.port = 8000;
  // Ranks talk through shared memory (docs.vllm.ai, "Using Kubernetes": 2 GiB for tensor parallel inference).
  if (request.row.placement.gpus.size() > 1) c.shared_memory_gib = 2;
}

}  // namespace

Result<Container> container_of(const EmitRequest& request)
{
  auto gpus = gpus_of(request);
  if (!gpus) return tl::unexpected(gpus.error());
  Container c;
  c.gpus = std::move(*gpus);
  c.cpus = 1;
  c.health_path = "/health";
  if (request.report.workload.runtime == Runtime::vllm) run_vllm(request, c);
  else run_llama_server(request, c);
  c.memory_gib = host_gib(request.row) + c.shared_memory_gib;
  return c;
}

}  // namespace canirun
