#include <algorithm>
#include <fmt/format.h>

#include "machine.hpp"
#include "media/evaluate_media.hpp"
#include "media/whisper.hpp"
#include "memory_model.hpp"
#include "speed_law.hpp"

/// \file
/// Whisper under whisper.cpp, and speech models of which only sizes are known (docs/media-models.md, "Speech").

namespace canirun {

namespace {

using namespace literals;

// whisper-cli: beam search of 5 by default (whisper_full_default_params, examples/cli).
constexpr std::uint32_t k_beams = 5;
constexpr double k_window_seconds = 30;
// English speech is about 150 words a minute, 1.35 tokens each; timestamps and the prompt of a window on top.
constexpr double k_window_tokens = 110;
// Mel spectrogram on the CPU: about 10 ms a window on a desktop core (whisper-bench prints it as "mel time").
constexpr double k_mel_seconds = 0.01;
// Tokens are chosen on the CPU: whisper.cpp prints 0.4 to 0.6 ms of "sample time" a run, and each beam is a run.
constexpr double k_sample_seconds = 0.5e-3 * k_beams;
// A step of five beams against one of one token: 1.4 (whisper-bench on an M4 Max, medium: 9.2 against 6.4 ms).
constexpr double k_beam_factor = 1.4;
constexpr Bytes k_process = 100_MiB;

// What programs for other speech models take beside weights: a share of them for activations, and the framework.
constexpr double k_working_share = 0.25;
constexpr Bytes k_framework = 256_MiB;
constexpr double k_working_low = 0.5, k_working_high = 3;

constexpr auto k_whisper_types =
    std::to_array<FileType>({FileType::Q4_0, FileType::Q4_1, FileType::Q5_0, FileType::Q5_1, FileType::Q8_0, FileType::F16});
constexpr auto k_published_types = std::to_array<FileType>({FileType::F16});

struct SpeechTrial {
  Placement placement;
  MemoryEstimate memory;
  Headroom room;
  Grade grade;
  std::optional<Range> times;
};

/// Everything on the largest GPU, or everything in RAM.
SpeechTrial place(const Machine& machine, bool on_gpu, MemoryParts parts)
{
  SpeechTrial t;
  t.placement.backend = on_gpu ? machine.backend : Backend::cpu;
  t.placement.mode = on_gpu ? Placement::Mode::gpu : Placement::Mode::cpu;
  MemoryParts process;
  process.runtime_overhead = k_process;
  if (on_gpu) {
    const auto budget = [&](std::size_t i) { return machine.gpu_budget[i]; };
    t.placement.gpus = {*std::ranges::max_element(machine.gpus, {}, budget)};
    t.placement.split = {1};
    parts.runtime_overhead = gpu_overhead(machine.backend);
    t.memory.gpus = {parts};
    t.memory.host = process;
  } else {
    parts += process;
    t.memory.host = parts;
  }
  t.room = headroom(machine, t.placement, t.memory);
  return t;
}

/// Seconds of sound in a second: a window is encoded, then written token by token with all beams in one batch.
std::optional<Range> times_real_time(const Whisper& whisper, TensorType type, const ModelSpec& model, const Machine& machine,
                                     const Placement& placement)
{
  const auto& c = speed_constants();
  TokenWork work;
  const auto family = static_cast<std::size_t>(quant_family(type));
  work.bytes[family] = static_cast<double>(whisper.decoder_weights(type));
  work.weights[family] = static_cast<double>(whisper.n_decoder_weights());
  work.resident_bytes = work.bytes[family];
  work.cache_bytes = static_cast<double>(whisper.cross_cache());
  work.layers = 2.0 * model.media->whisper->n_layer_dec;
  double encode = 0, token = 0;
  Spread spread = k_prompt_spread;
  if (!placement.gpus.empty()) {
    const auto rates = gpu_rates(machine.hardware->gpus[placement.gpus.front()], placement.backend);
    if (!rates || rates->matrix <= 0) return std::nullopt;
    encode = whisper.window_flops() / (rates->matrix * c.matrix_share[static_cast<std::size_t>(rates->launch_class)]);
    encode += model.media->whisper->n_layer_enc * c.prompt_layer;
    token = token_time(work, *rates, c, true).total();
  } else {
    const auto cpu = cpu_rates(*machine.hardware);
    encode = whisper.window_flops() / (cpu.cores * cpu.speedup * c.cpu_prompt_flops);
    token = token_time(work, cpu, c).total();
    if (cpu.assumed) spread = k_assumed_spread;
  }
  const auto times = k_window_seconds / (k_mel_seconds + encode + k_window_tokens * (k_beam_factor * token + k_sample_seconds));
  return Range{times * spread.low, times, times * spread.high};
}

QuantReport row_of(const Machine& machine, const SpeechTrial& t)
{
  QuantReport row;
  row.grade = t.grade;
  row.fits = t.room.share >= 0;
  row.placement = t.placement;
  if (!row.fits) row.placement.mode = Placement::Mode::none;
  row.memory = t.memory.total();
  for (const auto gpu : t.placement.gpus) {
    row.devices.push_back(
        {fmt::format("gpu{}", gpu), machine.hardware->gpus[gpu].name, t.memory.gpus.front(), machine.gpu_budget[gpu]});
  }
  row.devices.push_back({"host", machine.hardware->cpu.model, t.memory.host, t.room.host_budget});
  row.speed.limited_by = SpeedLimit::compute;
  row.media = MediaRun{};
  row.media->unit = MediaRun::Unit::speech;
  row.media->times_real_time = t.times;
  return row;
}

/// The GPU unless the CPU grades better; ties to the GPU.
SpeechTrial better_of(const Machine& machine, const std::function<SpeechTrial(bool)>& attempt)
{
  auto on_cpu = attempt(false);
  if (machine.gpus.empty()) return on_cpu;
  auto on_gpu = attempt(true);
  const bool fits = on_gpu.room.share >= 0;
  return fits && on_gpu.grade.letter >= on_cpu.grade.letter ? on_gpu : on_cpu.room.share >= 0 || !fits ? on_cpu : on_gpu;
}

void evaluate_whisper(const ModelSpec& model, const Machine& machine, const Question& question, ModelReport& report)
{
  const bool flash_attn = question.workload.flash_attn != FlashAttention::off;
  const Whisper on_gpu(model, flash_attn, machine.backend), on_cpu(model, flash_attn, Backend::cpu);
  const auto bytes_of = [&](const MediaType& type) { return Bytes{on_cpu.weights(type.type)}; };
  choose_rows(media_types(question, k_whisper_types), question, report, bytes_of, [&](const MediaType& type) {
    const auto attempt = [&](bool gpu) {
      const auto& whisper = gpu ? on_gpu : on_cpu;
      MemoryParts parts;
      parts.weights = {whisper.weights(type.type)};
      parts.kv_cache = {whisper.self_cache(k_beams) + whisper.cross_cache() + whisper.pad_cache()};
      for (const auto b : whisper.buffers()) parts.compute += Bytes{b};
      auto t = place(machine, gpu, parts);
      t.times = times_real_time(whisper, type.type, model, machine, t.placement);
      const auto letter = t.times ? std::optional(speech_speed_letter(t.times->estimate)) : std::nullopt;
      t.grade = combine_letters(memory_letter(t.room.share), letter, !gpu, true);
      return t;
    };
    const auto t = better_of(machine, attempt);
    auto row = row_of(machine, t);
    row.flash_attn = flash_attn;
    row.media->runtime = "whisper.cpp";
    const auto& parts = t.memory.gpus.empty() ? t.memory.host : t.memory.gpus.front();
    const auto& b = on_gpu.buffers();
    const auto held = parts.weights + parts.kv_cache;
    const bool gpu = !t.placement.gpus.empty();
    const auto stage = [&](std::string name, std::uint64_t buffer) {
      const auto bytes = held + Bytes{buffer};
      row.media->stages.push_back({std::move(name), gpu ? bytes : Bytes{}, gpu ? Bytes{} : bytes});
    };
    stage("speech encoder", b[0] + b[1] + b[2]);
    stage("speech decoder", b[3]);
    if (row.fits) {
      std::string file = model.id.starts_with("whisper-") ? model.id.substr(8) : model.id;
      if (type.type != TensorType::f16) file += fmt::format("-{}", traits(type.type).name);
      row.command = fmt::format("whisper-cli -m ggml-{}.bin{}{} -f AUDIO", file, gpu ? "" : " -ng", flash_attn ? "" : " -nfa");
    }
    return row;
  });
}

void evaluate_sizes(const ModelSpec& model, const Machine& machine, const Question& question, ModelReport& report)
{
  constexpr std::uint64_t k_row = 256;
  const std::array<NetWeight, 1> weights{{{WeightKind::matrix, k_row, (model.n_params + k_row - 1) / k_row, 1}}};
  const auto bytes_of = [&](const MediaType& type) { return Bytes{stored_bytes(weights, type.type)}; };
  choose_rows(media_types(question, k_published_types), question, report, bytes_of, [&](const MediaType& type) {
    const auto bytes = bytes_of(type);
    MemoryParts parts;
    parts.weights = bytes;
    parts.compute = Bytes{static_cast<std::uint64_t>(static_cast<double>(bytes.count) * k_working_share)} + k_framework;
    const auto t = better_of(machine, [&](bool gpu) {
      auto trial = place(machine, gpu, parts);
      trial.grade = combine_letters(memory_letter(trial.room.share), std::nullopt, !gpu, false);
      return trial;
    });
    auto row = row_of(machine, t);
    row.media->memory_low = k_working_low;
    row.media->memory_high = k_working_high;
    const bool gpu = !t.placement.gpus.empty();
    row.media->stages.push_back({"speech", gpu ? bytes + parts.compute : Bytes{}, gpu ? Bytes{} : bytes + parts.compute});
    return row;
  });
  if (!report.quants.empty()) {
    const auto compute = report.quants.front().memory.compute;
    report.notes.push_back(
        fmt::format("only the size of this model is known: {:.1f} GiB beside its weights could be {:.1f} to {:.1f}, its speed is "
                    "not estimated",
                    to_gib(compute).value, k_working_low * to_gib(compute).value, k_working_high * to_gib(compute).value));
  }
}

}  // namespace

void evaluate_speech(const ModelSpec& model, const HardwareProfile& hardware, const Question& question, ModelReport& report)
{
  const auto machine = examine(hardware, question);
  if (machine.host_budget.count == 0)
    report.notes.push_back("no RAM may be used: its size is unknown (--ram) or the reserve takes all of it");
  if (model.media->whisper) evaluate_whisper(model, machine, question, report);
  else evaluate_sizes(model, machine, question, report);
  if (report.quants.empty()) report.notes.push_back("speech models have none of the types that were asked for");
}

}  // namespace canirun
