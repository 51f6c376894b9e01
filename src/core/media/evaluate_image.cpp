#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "machine.hpp"
#include "media/diffusers.hpp"
#include "media/evaluate_media.hpp"
#include "media/image_search.hpp"
#include "media/sd_command.hpp"
#include "torch.hpp"

/// \file
/// Image and video models under stable-diffusion.cpp or diffusers: one row a type of weights (docs/media-models.md, docs/diffusers.md).

namespace canirun {

namespace {

/// Whether the program of the question runs the model.
bool runs(const ModelSpec& model, const ImageProgram& program)
{
  return program.account == Account::eager ? diffusers_runs(model) : sd_runs(model);
}

MediaRun run_of(const ModelSpec& model, const MediaRequest& request, const ImageProgram& program)
{
  const auto& media = *model.media;
  const auto sampling = media.sampling.value_or(SamplingSpec{.steps = 20, .passes = 2, .frames = 1});
  MediaRun run;
  run.unit = model.kind == ModelKind::video ? MediaRun::Unit::video : MediaRun::Unit::image;
  if (runs(model, program)) run.runtime = program.name;
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

/// What diffusers keeps of a type: FP8 in storage alone, 16 bits as published, the others where they were asked for.
std::vector<MediaType> checkpoint_rows(const ModelSpec& model, const Question& question, Backend backend)
{
  std::vector<MediaType> rows;
  const auto add = [&](CheckpointType type, FileType nearest) {
    const auto& asked = question.checkpoints;
    const bool wanted = asked.empty() ? type == CheckpointType::fp8 || type == diffusers_type(model.arch)
                                      : std::ranges::find(asked, type) != asked.end();
    // float8_e4m3fn has no kernels for Metal (pytorch: aten/src/ATen/native/mps).
    if (!wanted || (type == CheckpointType::fp8 && backend == Backend::metal)) return;
    rows.push_back({nearest, TensorType::f16, std::string(name(type)), type});
  };
  add(CheckpointType::fp8, FileType::Q8_0);
  add(CheckpointType::f16, FileType::F16);
  add(CheckpointType::bf16, FileType::BF16);
  add(CheckpointType::f32, FileType::F32);
  return rows;
}

std::vector<std::string> notes_of(const ImageTrial& trial, const ImageProgram& program, const ImageModel& model,
                                  const HardwareProfile& hardware, const Question& question)
{
  std::vector<std::string> notes;
  if (!trial.fits) return notes;
  const auto flags = program.settings(trial.setup);
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
  const bool torch = question.workload.runtime == Runtime::diffusers;
  const auto& program = torch ? diffusers() : stable_diffusion_cpp();
  const auto machine = torch ? torch_machine(examine(hardware, question)) : examine(hardware, question);
  const auto run = run_of(model, question.media, program);
  const auto& media = *model.media;
  const auto passes = media.sampling ? media.sampling->passes : 2;
  const bool plain = std::ranges::any_of(machine.gpus, [&](std::size_t i) { return !has_tensor_cores(hardware.gpus[i]); });
  const ImageModel parts(model, {run.width, run.height, run.frames}, machine.gpus.empty() ? Backend::cpu : machine.backend,
                         torch && plain ? Account::eager_plain : program.account);
  const auto n_pictures = media.latent ? (run.frames - 1) / media.latent->temporal + 1 : run.frames;
  const ImageSearch search(parts, program, machine, run.steps, passes, n_pictures);
  if (machine.host_budget.count == 0)
    report.notes.push_back("no RAM may be used: its size is unknown (--ram) or the reserve takes all of it");
  if (!parts.known()) report.notes.push_back("only the sizes of this model are known: neither its buffers nor its speed");
  else if (!runs(model, program))
    report.notes.push_back(fmt::format("{} does not run it: what it would take there if it did", program.name));
  else if (torch && report.diffusers_repo.empty())
    report.notes.push_back(
        "no repository in the format of diffusers is known, so there is no command: state diffusers_repo in an entry");

  const auto types = torch ? checkpoint_rows(model, question, machine.backend) : media_types(question, k_image_types);
  if (types.empty()) {
    report.notes.push_back("image and video models have none of the types that were asked for");
    return;
  }
  const auto parts_of = [&](const MediaType& type) {
    return type.checkpoint ? parts.parts(*type.checkpoint) : parts.parts(type.type);
  };
  const auto bytes_of = [&](const MediaType& type) { return Bytes{parts_of(type).total()}; };
  choose_rows(types, question, report, bytes_of, [&](const MediaType& type) {
    const auto trial = search.best(parts_of(type));
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
    row.media->settings = program.settings(trial.setup);
    row.media->stages = trial.stages;
    row.media->seconds = trial.seconds;
    row.media->memory_low = parts.memory_low();
    row.media->memory_high = parts.memory_high();
    row.speed.limited_by = SpeedLimit::compute;
    row.notes = notes_of(trial, program, parts, hardware, question);
    if (trial.fits && parts.known()) {
      row.command = type.checkpoint ? diffusers_command(model, report.diffusers_repo, *type.checkpoint, trial.setup, *row.media,
                                                        trial.placement.backend)
                                    : sd_command(model, type.type, *row.media, passes > 1);
    }
    return row;
  });
}

}  // namespace canirun
