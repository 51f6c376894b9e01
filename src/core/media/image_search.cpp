#include "media/image_search.hpp"

#include <algorithm>
#include <array>

#include "memory_model.hpp"
#include "speed_law.hpp"

namespace canirun {

namespace {

/// What a device does in a second, by the constants of the speed law: products at the rate of a prompt, other operations at that of
/// memory, and a launch each.
struct DeviceRates {
  double flops = 0, bandwidth = 0, launch = 0;
  double seconds(const NetWork& work) const { return work.flops / flops + work.bytes / bandwidth + work.launches * launch; }
};

// Kernels of a transformer layer that llama.cpp launches for one token: the law's constant for a layer is for so many.
constexpr double k_launches_of_layer = 25;

DeviceRates device_rates(const GpuRates& gpu)
{
  const auto& c = speed_constants();
  const auto launch = static_cast<std::size_t>(gpu.launch_class);
  return {gpu.matrix * c.matrix_share[launch],
          gpu.bandwidth * c.bandwidth_share * c.bandwidth_class[static_cast<std::size_t>(gpu.bandwidth_class)],
          c.layer / k_launches_of_layer * c.launch_class[launch]};
}

DeviceRates device_rates(const CpuRates& cpu)
{
  const auto& c = speed_constants();
  return {cpu.cores * cpu.speedup * c.cpu_prompt_flops, cpu.bandwidth, c.cpu_layer / k_launches_of_layer};
}

}  // namespace

ImageSearch::ImageSearch(const ImageModel& model, const ImageProgram& program, const Machine& machine, std::uint32_t n_steps,
                         std::uint32_t passes, double n_pictures)
    : model_(model), program_(program), machine_(machine), n_steps_(n_steps), passes_(passes), n_pictures_(n_pictures)
{
  const auto budget = [&](std::size_t i) { return machine.gpu_budget[i]; };
  const auto largest = std::ranges::max_element(machine.gpus, {}, budget);
  if (largest != machine.gpus.end()) gpu_ = *largest;
}

ImageTrial ImageSearch::best(const PartBytes& parts) const
{
  std::optional<ImageTrial> best;
  for (const auto& setup : program_.setups) {
    if ((setup.gpu && !gpu_) || (setup.encode_on_cpu && !model_.encodes_apart())) continue;
    auto trial = attempt(setup, parts);
    const bool better = !best || (trial.fits ? !best->fits || trial.grade.letter > best->grade.letter
                                             : !best->fits && trial.room.share > best->room.share);
    // What is left saves memory of the CPU, not its time.
    const bool no_better = !setup.gpu && trial.fits && trial.grade.memory == Letter::S;
    if (better) best = std::move(trial);
    if (no_better) break;
    if (best->fits && best->grade.letter == Letter::S) break;
  }
  if (!best->fits) best->placement.mode = Placement::Mode::none;
  return std::move(*best);
}

ImageTrial ImageSearch::attempt(const Setup& s, const PartBytes& parts) const
{
  ImageTrial t;
  t.setup = s;
  auto& p = t.placement;
  p.backend = s.gpu ? machine_.backend : Backend::cpu;
  if (s.gpu) {
    p.gpus = {*gpu_};
    p.split = {1};
  }
  const bool all_on_gpu = s.gpu && !s.encode_on_cpu && !s.offload && !s.decode_on_cpu;
  p.mode = all_on_gpu ? Placement::Mode::gpu : s.gpu ? Placement::Mode::split : Placement::Mode::cpu;

  // Weights that stay: on the GPU without offloading, else in RAM; what a stage uploads comes on top.
  const std::uint64_t on_gpu[] = {s.encode_on_cpu ? 0 : parts.encoders, parts.denoiser, s.decode_on_cpu ? 0 : parts.decoder};
  const bool in_ram = !s.gpu || s.offload;
  const auto resident_gpu = !s.gpu ? 0 : parts.kept + (in_ram ? 0 : on_gpu[0] + on_gpu[1] + on_gpu[2]);
  const auto resident_host = parts.total() - resident_gpu;
  std::array<std::uint64_t, 3> uploads{on_gpu[0], parts.expert, on_gpu[2]};
  for (std::size_t i = 0; s.stream && i < uploads.size(); ++i) uploads[i] = std::min(uploads[i], parts.streamed[i]);
  const bool computes_on_gpu[] = {s.gpu && !s.encode_on_cpu, s.gpu, s.gpu && !s.decode_on_cpu};
  const auto compute = model_.buffers(s, parts);
  constexpr std::array names{"text encoder", "denoiser", "decoder"};
  MemoryParts gpu, host;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto weights = resident_gpu + (s.gpu && s.offload ? uploads[i] : 0);
    const auto on = computes_on_gpu[i] ? compute[i] : 0;
    const auto off = computes_on_gpu[i] ? 0 : compute[i];
    t.stages.push_back({names[i], {s.gpu ? weights + on : 0}, {resident_host + off}});
    if (weights + on > gpu.weights.count + gpu.compute.count) gpu.weights = {weights}, gpu.compute = {on};
    host.compute = std::max(host.compute, Bytes{off});
  }
  host.weights = {std::max(resident_host, parts.loading)};
  host.runtime_overhead = program_.process;
  if (s.gpu) {
    gpu.runtime_overhead = gpu_overhead(machine_.backend);
    t.memory.gpus = {gpu};
  }
  t.memory.host = host;
  t.memory.flash_attn = s.flash_attn;
  t.memory.compute_known = model_.known();
  t.room = headroom(machine_, p, t.memory);
  t.fits = t.room.share >= 0;
  t.seconds = seconds(s, parts);
  const bool needs_ram = p.mode != Placement::Mode::gpu;
  t.grade = combine_letters(memory_letter(t.room.share), letter(t.seconds), needs_ram, true);
  return t;
}

std::optional<Letter> ImageSearch::letter(const std::optional<Range>& seconds) const
{
  if (!seconds) return std::nullopt;
  return image_speed_letter(seconds->estimate / n_pictures_);
}

std::optional<Range> ImageSearch::seconds(const Setup& s, const PartBytes& parts) const
{
  if (!model_.known()) return std::nullopt;
  const auto& c = speed_constants();
  const auto cpu = device_rates(cpu_rates(*machine_.hardware));
  auto gpu = cpu;
  if (s.gpu) {
    const auto rates = gpu_rates(machine_.hardware->gpus[*gpu_], machine_.backend);
    if (!rates || rates->matrix <= 0) return std::nullopt;
    gpu = device_rates(*rates);
  }
  auto t = (s.encode_on_cpu ? cpu : gpu).seconds(model_.encoder_work());
  t += n_steps_ * passes_ * gpu.seconds(model_.denoiser_work());
  t += (s.decode_on_cpu ? cpu : gpu).seconds(model_.decoder_work());
  if (s.gpu && s.offload) {
    const auto denoiser = static_cast<double>(s.stream ? parts.expert : parts.denoiser);
    auto bytes = denoiser * (s.stream ? n_steps_ * passes_ / model_.batch() : 1);
    if (!s.encode_on_cpu) bytes += static_cast<double>(parts.encoders);
    if (!s.decode_on_cpu) bytes += static_cast<double>(parts.decoder);
    t += bytes / (program_.upload > 0 ? program_.upload : c.transfer_bandwidth);
  }
  const auto spread = s.gpu ? k_prompt_spread : k_assumed_spread;
  return Range{t / spread.high, t, t / spread.low};
}

}  // namespace canirun
