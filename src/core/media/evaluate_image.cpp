#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "machine.hpp"
#include "media/evaluate_media.hpp"
#include "media/parts.hpp"
#include "media/sd_command.hpp"
#include "memory_model.hpp"
#include "speed_law.hpp"

/// \file
/// Image and video models under stable-diffusion.cpp: settings tried in the order of what they cost, a peak for each stage, seconds for
/// one picture (docs/media-models.md).

namespace canirun {

namespace {

using namespace literals;

/// How a run is set up. A flag's name is stable-diffusion.cpp's.
struct Setup {
  bool flash_attn = false;     ///< --diffusion-fa
  bool tiled = false;          ///< --vae-tiling
  bool encode_on_cpu = false;  ///< --clip-on-cpu
  bool decode_on_cpu = false;  ///< --vae-on-cpu
  bool offload = false;        ///< --offload-to-cpu: weights in RAM, a stage's own on the GPU while it runs
  bool stream = false;         ///< --max-vram: blocks of the denoiser pass through the GPU in every step
  bool gpu = true;
};

// In the order of what they cost: flash attention nothing, tiles a few percent and at worst a seam, text encoders on the CPU seconds
// an image, offloading an upload a stage, streaming an upload a step, the decoder on the CPU minutes.
constexpr auto k_setups = std::to_array<Setup>({
    {},
    {.flash_attn = true},
    {.tiled = true},
    {.flash_attn = true, .tiled = true},
    {.encode_on_cpu = true},
    {.flash_attn = true, .encode_on_cpu = true},
    {.flash_attn = true, .tiled = true, .encode_on_cpu = true},
    {.flash_attn = true, .offload = true},
    {.flash_attn = true, .tiled = true, .offload = true},
    {.flash_attn = true, .tiled = true, .encode_on_cpu = true, .offload = true},
    {.flash_attn = true, .tiled = true, .encode_on_cpu = true, .offload = true, .stream = true},
    {.flash_attn = true, .tiled = true, .encode_on_cpu = true, .decode_on_cpu = true, .offload = true, .stream = true},
    {.gpu = false},
    {.flash_attn = true, .tiled = true, .gpu = false},
});

// What streaming keeps of the denoiser on the GPU: the block that runs and the next (backend.md: graph segments and prefetch).
constexpr std::uint64_t k_resident_share = 16;

/// Bytes of the process itself, beside tensors.
constexpr Bytes k_process = 200_MiB;

std::vector<std::string> flags_of(const Setup& s)
{
  std::vector<std::string> flags;
  if (s.flash_attn) flags.emplace_back("--diffusion-fa");
  if (s.tiled) flags.emplace_back("--vae-tiling");
  if (s.encode_on_cpu) flags.emplace_back("--clip-on-cpu");
  if (s.offload) flags.emplace_back("--offload-to-cpu");
  if (s.stream) flags.emplace_back("--max-vram -0.5");
  if (s.decode_on_cpu) flags.emplace_back("--vae-on-cpu");
  return flags;
}

struct ImageTrial {
  Setup setup;
  Placement placement;
  MemoryEstimate memory;
  Headroom room;
  std::vector<MediaStage> stages;
  std::optional<Range> seconds;
  Grade grade;
  bool fits = false;
};

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

class ImageSearch {
 public:
  /// `n_pictures`: a video counts as so many images as it has latent frames.
  ImageSearch(const ImageModel& model, const Machine& machine, std::uint32_t n_steps, std::uint32_t passes, double n_pictures)
      : model_(model), machine_(machine), n_steps_(n_steps), passes_(passes), n_pictures_(n_pictures)
  {
    const auto budget = [&](std::size_t i) { return machine.gpu_budget[i]; };
    const auto largest = std::ranges::max_element(machine.gpus, {}, budget);
    if (largest != machine.gpus.end()) gpu_ = *largest;
  }

  /// The setup with the best grade, ties to the cheaper one; where nothing fits, the one that misses least.
  ImageTrial best(TensorType type) const
  {
    const auto parts = model_.parts(type);
    std::optional<ImageTrial> best;
    for (const auto& setup : k_setups) {
      if (setup.gpu && !gpu_) continue;
      auto trial = attempt(setup, parts);
      const bool better = !best || (trial.fits ? !best->fits || trial.grade.letter > best->grade.letter
                                               : !best->fits && trial.room.share > best->room.share);
      if (better) best = std::move(trial);
      if (best->fits && best->grade.letter == Letter::S) break;
    }
    if (!best->fits) best->placement.mode = Placement::Mode::none;
    return std::move(*best);
  }

 private:
  /// Compute buffers of the three stages under a setup.
  std::array<std::uint64_t, 3> buffers(const Setup& s) const
  {
    return {model_.encoder_buffer(), model_.denoiser_buffer(s.flash_attn), model_.decoder_buffer(s.tiled)};
  }

  ImageTrial attempt(const Setup& s, const PartBytes& parts) const
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
    const auto resident_gpu = in_ram ? 0 : on_gpu[0] + on_gpu[1] + on_gpu[2];
    const auto resident_host = in_ram ? parts.total() : parts.total() - resident_gpu;
    const auto streamed = parts.expert / k_resident_share;
    const std::uint64_t uploads[] = {on_gpu[0], s.stream ? streamed : parts.expert, on_gpu[2]};
    const bool computes_on_gpu[] = {s.gpu && !s.encode_on_cpu, s.gpu, s.gpu && !s.decode_on_cpu};
    const auto compute = buffers(s);
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
    host.weights = {resident_host};
    host.runtime_overhead = k_process;
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

  std::optional<Letter> letter(const std::optional<Range>& seconds) const
  {
    if (!seconds) return std::nullopt;
    return image_speed_letter(seconds->estimate / n_pictures_);
  }

  std::optional<Range> seconds(const Setup& s, const PartBytes& parts) const
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
      auto bytes = denoiser * (s.stream ? n_steps_ * passes_ : 1);
      if (!s.encode_on_cpu) bytes += static_cast<double>(parts.encoders);
      if (!s.decode_on_cpu) bytes += static_cast<double>(parts.decoder);
      t += bytes / c.transfer_bandwidth;
    }
    const auto spread = s.gpu ? k_prompt_spread : k_assumed_spread;
    return Range{t / spread.high, t, t / spread.low};
  }

  const ImageModel& model_;
  const Machine& machine_;
  double n_steps_, passes_, n_pictures_;
  std::optional<std::size_t> gpu_;
};

MediaRun run_of(const ModelSpec& model, const MediaRequest& request)
{
  const auto& media = *model.media;
  const auto sampling = media.sampling.value_or(SamplingSpec{.steps = 20, .passes = 2, .frames = 1});
  MediaRun run;
  run.unit = model.kind == ModelKind::video ? MediaRun::Unit::video : MediaRun::Unit::image;
  if (sd_runs(model)) run.runtime = "stable-diffusion.cpp";
  const auto size = request.resolution.value_or(media.native_resolution[0] ? media.native_resolution
                                                                           : std::array<std::uint32_t, 2>{1024, 1024});
  run.width = size[0];
  run.height = size[1];
  run.frames = run.unit == MediaRun::Unit::video ? request.frames.value_or(sampling.frames) : 1;
  run.steps = request.steps.value_or(sampling.steps);
  return run;
}

// Q2_K ... Q8_0 as stable-diffusion.cpp's --type has them, and what is published.
constexpr auto k_image_types =
    std::to_array<FileType>({FileType::Q2_K, FileType::Q3_K_M, FileType::Q4_0, FileType::Q4_K_M, FileType::Q5_0, FileType::Q5_K_M,
                             FileType::Q6_K, FileType::Q8_0, FileType::F16});

std::vector<std::string> notes_of(const ImageTrial& trial, const ImageModel& model, const HardwareProfile& hardware,
                                  const Question& question)
{
  std::vector<std::string> notes;
  if (!trial.fits) return notes;
  const auto flags = flags_of(trial.setup);
  if (!flags.empty()) notes.push_back(fmt::format("needs {}", fmt::join(flags, " ")));
  if (trial.setup.stream) notes.push_back("the denoiser's weights pass through the GPU in every step");
  if (question.budget == BudgetKind::capacity) {
    auto now = question;
    now.budget = BudgetKind::free;
    if (headroom(examine(hardware, now), trial.placement, trial.memory).share < 0)
      notes.push_back("fits, but not now: others use the memory");
  }
  if (model.known() && model.memory_high() > 1) {
    const auto& m = trial.memory;
    const auto compute = m.gpus.empty() ? m.host.compute : m.gpus.front().compute;
    notes.push_back(fmt::format("compute buffers are estimated from shapes: {:.1f} GiB could be {:.1f} to {:.1f}",
                                to_gib(compute).value, to_gib(compute).value * model.memory_low(),
                                to_gib(compute).value * model.memory_high()));
  }
  return notes;
}

}  // namespace

void evaluate_images(const ModelSpec& model, const HardwareProfile& hardware, const Question& question, ModelReport& report)
{
  const auto machine = examine(hardware, question);
  const auto run = run_of(model, question.media);
  const auto& media = *model.media;
  const auto passes = media.sampling ? media.sampling->passes : 2;
  const ImageModel parts(model, {run.width, run.height, run.frames}, machine.gpus.empty() ? Backend::cpu : machine.backend);
  const auto n_pictures = media.latent ? (run.frames - 1) / media.latent->temporal + 1 : run.frames;
  const ImageSearch search(parts, machine, run.steps, passes, n_pictures);
  if (machine.host_budget.count == 0)
    report.notes.push_back("no RAM may be used: its size is unknown (--ram) or the reserve takes all of it");
  if (!parts.known()) report.notes.push_back("only the sizes of this model are known: neither its buffers nor its speed");
  else if (!sd_runs(model)) report.notes.push_back("stable-diffusion.cpp does not run it: what it would take there if it did");

  const auto types = media_types(question, k_image_types);
  if (types.empty()) {
    report.notes.push_back("image and video models have none of the types that were asked for");
    return;
  }
  const auto bytes_of = [&](const MediaType& type) { return Bytes{parts.parts(type.type).total()}; };
  choose_rows(types, question, report, bytes_of, [&](const MediaType& type) {
    const auto trial = search.best(type.type);
    QuantReport row;
    row.grade = trial.grade;
    row.fits = trial.fits;
    row.placement = trial.placement;
    row.flash_attn = trial.setup.flash_attn;
    row.compute_known = parts.known();
    row.memory = trial.memory.total();
    for (std::size_t i = 0; i < trial.placement.gpus.size(); ++i) {
      const auto gpu = trial.placement.gpus[i];
      row.devices.push_back({fmt::format("gpu{}", gpu), hardware.gpus[gpu].name, trial.memory.gpus[i], machine.gpu_budget[gpu]});
    }
    row.devices.push_back({"host", hardware.cpu.model, trial.memory.host, trial.room.host_budget});
    row.media = run;
    row.media->settings = flags_of(trial.setup);
    row.media->stages = trial.stages;
    row.media->seconds = trial.seconds;
    row.media->memory_low = parts.memory_low();
    row.media->memory_high = parts.memory_high();
    row.speed.limited_by = SpeedLimit::compute;
    row.notes = notes_of(trial, parts, hardware, question);
    if (trial.fits && parts.known()) row.command = sd_command(model, type.type, *row.media, passes > 1);
    return row;
  });
}

}  // namespace canirun
