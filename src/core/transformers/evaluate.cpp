#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <numeric>

#include "canirun/core/command.hpp"
#include "checkpoint_rows.hpp"
#include "checkpoint_weights.hpp"
#include "memory_model.hpp"
#include "torch.hpp"
#include "transformers/transformers.hpp"

namespace canirun {

namespace {

// Seconds that Python takes to launch a layer for one token, while the GPU works on what was launched before. Measured, as far as the
// weights' traffic explains less: 0.8 ms on an unnamed card (LLaMA 7B, 25 ms a token: github.com/NVIDIA/FasterTransformer, issue 506), 1.1
// on an A10 (Llama 2 7B, 34 ms: github.com/InternLM/lmdeploy, issue 210), 1.5 (Qwen3 0.6B, 42 ms: github.com/FIlipHand/model_inference),
// 1.7 on a T4 (Qwen2.5 0.5B, 41 ms: github.com/dohu012/llm-quantization-benchmark). The last has INT8 at 0.27 and AWQ at 0.70 of F16;
// bitsandbytes' own release notes (0.40.0) have NF4 at twice INT8.
constexpr double k_launch_layer = 1.0e-3, k_launch_4_bit = 1.5e-3, k_launch_int8 = 3.5e-3;
constexpr double k_speed_low = 0.5, k_speed_high = 1.5;
constexpr std::uint32_t k_ctx_step = 256;  // tokens; `resolve` pads contexts to it

struct Run {
  const ModelSpec& model;
  const ModelFacts& facts;
  Machine machine;
  const Question& question;
  CheckpointPlan& plan;
  std::uint32_t n_tokens = 0, n_seq = 1;
};

struct TransformersTrial {
  std::size_t n_gpus = 0;
  TransformersModel modules;
  DeviceMap map;
  Placement placement;
  MemoryEstimate memory;
  Headroom room;
  SpeedEstimate speed;
  Grade grade;
  bool fits = false;
};

/// bitsandbytes and the 4-bit kernels compute on GPUs only, and accelerate refuses to keep a part of such a model in RAM
/// (transformers/quantizers/quantizer_bnb_4bit.py: validate_environment).
bool may_offload(CheckpointType type)
{
  return type == CheckpointType::f32 || type == CheckpointType::f16 || type == CheckpointType::bf16;
}

double launch_seconds(CheckpointType type)
{
  if (may_offload(type)) return k_launch_layer;
  return type == CheckpointType::int8 ? k_launch_int8 : k_launch_4_bit;
}

double sum_weights(const TransformersModel& m, std::size_t first, std::size_t n)
{
  return std::accumulate(m.modules.begin() + static_cast<std::ptrdiff_t>(first),
                         m.modules.begin() + static_cast<std::ptrdiff_t>(first + n), 0.0,
                         [](double sum, const ModuleBytes& b) { return sum + b.weights; });
}

double sum_cache(const TransformersModel& m, std::size_t first, std::size_t n)
{
  return std::accumulate(m.modules.begin() + static_cast<std::ptrdiff_t>(first),
                         m.modules.begin() + static_cast<std::ptrdiff_t>(first + n), 0.0,
                         [](double sum, const ModuleBytes& b) { return sum + b.cache; });
}

Bytes bytes(double b) { return {static_cast<std::uint64_t>(std::max(0.0, b))}; }

/// Devices with what the map gives them. Modules in RAM compute on the first GPU, where their caches are, and are uploaded to it one
/// after the other.
void fill_memory(const Run& run, TransformersTrial& t)
{
  const auto& m = t.modules;
  std::size_t next = 0;
  for (std::size_t i = 0; i < t.n_gpus; ++i) {
    MemoryParts parts;
    parts.weights = bytes(sum_weights(m, next, t.map.n_modules[i]));
    parts.kv_cache = bytes(sum_cache(m, next, t.map.n_modules[i]));
    parts.compute = bytes(m.activations);
    parts.runtime_overhead = gpu_overhead(run.machine.backend);
    t.memory.gpus.push_back(parts);
    next += t.map.n_modules[i];
  }
  t.memory.host.runtime_overhead = k_torch_process;
  const auto rest = m.modules.size() - next;
  t.memory.host.weights = bytes(sum_weights(m, next, rest));
  if (t.n_gpus == 0) {
    t.memory.host.kv_cache = bytes(sum_cache(m, 0, rest));
    t.memory.host.compute = bytes(m.activations);
  } else if (rest > 0) {
    double largest = 0;
    for (auto i = next; i < m.modules.size(); ++i) largest = std::max(largest, m.modules[i].weights);
    t.memory.gpus.front().kv_cache += bytes(sum_cache(m, next, rest));
    t.memory.gpus.front().compute += bytes(largest);
  }
}

SpeedEstimate speed_of(const Run& run, CheckpointType type, const TransformersTrial& t)
{
  auto all = t.placement;
  all.n_gpu_layers = t.n_gpus > 0 ? run.model.n_layer + 1 : 0;
  all.mode = t.n_gpus > 0 ? Placement::Mode::gpu : Placement::Mode::cpu;
  auto speed = run.plan.speed(type, all, *run.machine.hardware);
  if (!speed.generation_tps) return speed;
  const auto uploaded = static_cast<double>(t.n_gpus > 0 ? t.memory.host.weights.count : 0);
  const auto launches = t.n_gpus > 0 ? launch_seconds(type) * run.model.n_layer : 0;
  if (launches > 1 / speed.generation_tps->estimate) speed.limited_by = SpeedLimit::launch;
  const auto seconds = std::max(1 / speed.generation_tps->estimate, launches) + uploaded / k_torch_upload;
  speed.generation_tps = Range{k_speed_low / seconds, 1 / seconds, k_speed_high / seconds};
  if (uploaded > 0) {
    speed.limited_by = SpeedLimit::transfer;
    speed.prompt_tps.reset();
    speed.time_to_first_token_s.reset();
  }
  return speed;
}

/// What n_gpus GPUs and RAM take; not graded yet.
TransformersTrial placed(const Run& run, CheckpointType type, const TransformersModel& weights, std::size_t n_gpus,
                         std::uint32_t n_tokens)
{
  TransformersTrial t;
  t.n_gpus = n_gpus;
  t.modules = with_text(weights, run.model, type, n_tokens, run.n_seq);
  std::vector<double> room;
  for (std::size_t i = 0; i < n_gpus; ++i) {
    const auto budget = run.machine.gpu_budget[run.machine.gpus[i]];
    room.push_back(static_cast<double>(budget.count) - static_cast<double>(gpu_overhead(run.machine.backend).count) -
                   t.modules.activations);
  }
  t.map = device_map(t.modules, room);
  auto& p = t.placement;
  p.backend = n_gpus > 0 ? run.machine.backend : Backend::cpu;
  p.n_layers = run.model.n_layer;
  p.gpus.assign(run.machine.gpus.begin(), run.machine.gpus.begin() + static_cast<std::ptrdiff_t>(n_gpus));
  // What may not stay in RAM stands on the last GPU, so that the report says by how much it misses.
  if (n_gpus > 0 && t.map.n_on_cpu > 0 && !may_offload(type)) {
    t.map.n_modules.back() += t.map.n_on_cpu;
    t.map.n_on_cpu = 0;
  }
  const auto on_gpus = t.modules.modules.size() - (n_gpus > 0 ? t.map.n_on_cpu : t.modules.modules.size());
  for (const auto n : t.map.n_modules) p.split.push_back(on_gpus > 0 ? static_cast<double>(n) / static_cast<double>(on_gpus) : 0);
  p.n_gpu_layers = static_cast<std::uint32_t>(on_gpus > 0 ? on_gpus - 1 : 0);
  p.mode = n_gpus == 0 ? Placement::Mode::cpu : t.map.n_on_cpu > 0 ? Placement::Mode::split : Placement::Mode::gpu;
  fill_memory(run, t);
  t.room = headroom(run.machine, p, t.memory);
  t.fits = t.room.share >= 0 && (n_gpus > 0 || may_offload(type));
  return t;
}

TransformersTrial graded(const Run& run, CheckpointType type, TransformersTrial t)
{
  t.speed = speed_of(run, type, t);
  t.grade = make_grade(t.room.share, t.speed.generation_tps ? std::optional(t.speed.generation_tps->estimate) : std::nullopt,
                       t.placement.mode != Placement::Mode::gpu, true);
  if (!t.fits) t.grade.letter = Letter::F;
  return t;
}

/// As many GPUs as give the best grade; among equals as much of the model on them as possible, then the fewest. The CPU alone last. What
/// fits nowhere misses least.
TransformersTrial best_trial(const Run& run, CheckpointType type, const TransformersModel& weights)
{
  std::optional<TransformersTrial> best;
  const auto take = [&](std::size_t n_gpus) {
    auto t = graded(run, type, placed(run, type, weights, n_gpus, run.n_tokens));
    const auto raises = [&] {
      if (!t.fits || !best->fits) return t.fits || (!best->fits && t.room.share > best->room.share);
      return std::pair(t.grade.letter, best->map.n_on_cpu) > std::pair(best->grade.letter, t.map.n_on_cpu);
    };
    const bool better = !best || raises();
    if (better) best = std::move(t);
  };
  for (std::size_t n = 1; n <= run.machine.gpus.size(); ++n) take(n);
  if (may_offload(type) || run.machine.gpus.empty()) take(0);
  return std::move(*best);
}

/// The longest text of one sequence that fits with the same GPUs and no more modules in RAM, times the sequences.
std::uint32_t longest(const Run& run, CheckpointType type, const TransformersModel& weights, const TransformersTrial& t)
{
  const auto fits = [&](std::uint32_t n) {
    const auto other = placed(run, type, weights, t.n_gpus, n);
    return other.fits && other.map.n_on_cpu <= t.map.n_on_cpu;
  };
  std::uint32_t low = 0, high = (run.model.n_ctx_train > 0 ? run.model.n_ctx_train : 1u << 20) / k_ctx_step;
  while (low < high) {
    const auto middle = low + (high - low + 1) / 2;
    if (fits(k_ctx_step * middle)) low = middle;
    else high = middle - 1;
  }
  return k_ctx_step * low * run.n_seq;
}

QuantReport row_of(const Run& run, QuantReport row, CheckpointType type, const TransformersModel& weights)
{
  const auto t = best_trial(run, type, weights);
  row.grade = t.grade;
  row.fits = t.fits;
  row.placement = t.placement;
  if (!t.fits) row.placement.mode = Placement::Mode::none;
  for (std::size_t i = 0; i < t.n_gpus; ++i) {
    const auto g = t.placement.gpus[i];
    row.devices.push_back(
        {fmt::format("gpu{}", g), run.machine.hardware->gpus[g].name, t.memory.gpus[i], run.machine.gpu_budget[g]});
  }
  row.devices.push_back({"host", run.machine.hardware->cpu.model, t.memory.host, t.room.host_budget});
  row.memory = t.memory.total();
  row.speed = t.speed;
  row.max_ctx = longest(run, type, weights, t);
  if (!t.fits) {
    if (!may_offload(type)) row.notes.push_back(fmt::format("{} has to be on GPUs as a whole", name(type)));
    return row;
  }
  if (t.n_gpus > 1) row.notes.push_back(fmt::format("layers divided over {} GPUs, which work one after the other", t.n_gpus));
  if (t.map.n_on_cpu > 0 && t.n_gpus > 0) {
    row.notes.push_back(
        fmt::format("{} of {} modules stay in RAM and are uploaded for every token", t.map.n_on_cpu, t.modules.modules.size()));
  }
  row.notes.push_back("a prompt as long as the context goes through in one piece: shorter ones take less");
  const RunRequest request{.file = row.file,
                           .n_ctx = run.n_tokens * run.n_seq,
                           .embedding = false,
                           .workload = run.question.workload,
                           .placement = row.placement,
                           .hardware = *run.machine.hardware,
                           .checkpoint = type,
                           .weights = [&] {
                             std::vector<Bytes> each;
                             for (const auto& parts : t.memory.gpus) each.push_back(parts.weights);
                             return each;
                           }()};
  row.command = transformers_command(request);
  return row;
}

}  // namespace

void evaluate_transformers(ModelReport& report, const ModelSpec& model, const ModelFacts& facts, CheckpointPlan& plan,
                           const HardwareProfile& hardware, const Question& question)
{
  const auto shape = resolve(question.workload, model);
  const Run run{model,          facts, torch_machine(examine(hardware, question)),
                question,       plan,  std::max(1u, shape.n_ctx / shape.n_seq_max),
                shape.n_seq_max};
  const auto refused = transformers_refuses(model, facts, question);
  constexpr std::array k_defaults{CheckpointType::awq, CheckpointType::gptq, CheckpointType::mxfp4,
                                  CheckpointType::nf4, CheckpointType::int8, CheckpointType::bf16};
  const auto n_params =
      checkpoint_sum(plan.tensors(), plan.layers(), [](const NamedTensor& t) { return static_cast<double>(t.n_elements()); });
  for (const auto type : checkpoint_rows(model, question, k_defaults)) {
    const auto weights = transformers_weights(model, plan.tensors(), plan.layers(), type);
    const auto total = weights.total_weights();
    auto row = checkpoint_row(model, facts, type, bytes(total), {n_params > 0 ? 8 * total / n_params : 0});
    auto why = refused;
    if (!why && type == CheckpointType::mxfp4 && model.native_type != FileType::MXFP4_MOE)
      why = "MXFP4 checkpoints are those of models that were published in it";
    if (!why && !may_offload(type) && (run.machine.gpus.empty() || run.machine.backend == Backend::metal))
      why = fmt::format("{} needs a GPU of NVIDIA or AMD", name(type));
    if (why) report.quants.push_back(refused_checkpoint(std::move(row), model, *why));
    else report.quants.push_back(row_of(run, std::move(row), type, weights));
  }
  choose_checkpoint(report, question);
}

}  // namespace canirun
