#include <algorithm>
#include <fmt/format.h>

#include "canirun/core/command.hpp"
#include "checkpoint_rows.hpp"
#include "checkpoint_weights.hpp"
#include "machine.hpp"
#include "vllm/vllm.hpp"

namespace canirun {

namespace {

// Two all-reduces a layer. Measured on two to eight cards: 10 to 30 microseconds each for the few KiB of one token
// (github.com/vllm-project/vllm, pull request 2192, custom all-reduce).
constexpr double k_all_reduce = 20e-6;
constexpr std::uint32_t k_ctx_step = 256;  // tokens; `resolve` pads contexts to it
// The law was fitted to llama.cpp's kernels; vLLM's were not measured here.
constexpr double k_speed_low = 0.6, k_speed_high = 1.5;
// Drivers report a little less than a card's nominal size, which is what the table has (docs/grading.md, "Budget").
constexpr double k_driver_share = 0.98;

/// Everything that is the same for all checkpoints of a model.
struct Run {
  const ModelSpec& model;
  const ModelFacts& facts;
  const HardwareProfile& hardware;
  const Question& question;
  Workload workload;
  CheckpointPlan& plan;
  std::vector<std::size_t> gpus;  ///< The largest group of equal cards.
};

struct VllmTrial {
  VllmShape shape;
  Placement placement;
  MemoryParts rank, host;
  Bytes budget, host_budget;
  double headroom = -1;
  SpeedEstimate speed;
  Grade grade;
  bool fits = false;
};

/// Equal cards: the first kind of those with the most memory together.
std::vector<std::size_t> equal_gpus(const HardwareProfile& hardware)
{
  std::vector<std::size_t> best;
  double most = 0;
  for (std::size_t i = 0; i < hardware.gpus.size(); ++i) {
    const auto& first = hardware.gpus[i];
    if (first.type == GpuType::cpu || !first.memory_total || (first.type == GpuType::integrated && !first.unified_memory))
      continue;
    std::vector<std::size_t> group;
    for (std::size_t j = i; j < hardware.gpus.size(); ++j) {
      const auto& g = hardware.gpus[j];
      if (g.name == first.name && g.type == first.type && g.memory_total && g.memory_total->value == first.memory_total->value)
        group.push_back(j);
      if (first.unified_memory) break;
    }
    const auto sum = static_cast<double>(group.size()) * first.memory_total->value;
    if (sum > most) most = sum, best = std::move(group);
  }
  return best;
}

/// What vLLM takes of a card at most, and what is there.
Bytes budget_of(const Gpu& gpu, const Run& run)
{
  const auto total = gpu.memory_total->value * (gpu.from_table && !gpu.unified_memory ? k_driver_share : 1.0);
  return std::min(Bytes{static_cast<std::uint64_t>(k_vllm_utilization * total)}, gpu_budget(gpu, run.hardware, run.question));
}

bool divides_heads(const ModelSpec& model, std::uint32_t n)
{
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    const auto heads = model.n_head(il), kv = model.n_head_kv(il);
    if (heads % n != 0) return false;
    if (!model.is_mla() && kv > 0 && kv % n != 0 && n % kv != 0) return false;
  }
  return true;
}

MemoryParts rank_parts(const Run& run, CheckpointType type, const VllmShape& shape, std::uint32_t n_tokens)
{
  MemoryParts parts;
  parts.weights = vllm_weights(run.model, run.plan.tensors(), run.plan.layers(), type, shape.n_ranks);
  const auto cache = vllm_cache(run.model, shape, n_tokens);
  parts.kv_cache = cache.kv;
  parts.recurrent_state = cache.states;
  parts.compute = vllm_activations(run.model, shape);
  // The towers of multimodal checkpoints are loaded with the language model and stay in 16 bits.
  parts.projector = {2 * run.model.n_params_mmproj / shape.n_ranks};
  parts.runtime_overhead = vllm_overhead(run.model, shape.n_ranks);
  return parts;
}

/// The speed law on one GPU with the bandwidth and the arithmetic of all ranks, and the time that they wait for each other.
SpeedEstimate speed_of(const Run& run, CheckpointType type, const VllmTrial& t)
{
  HardwareProfile all = run.hardware;
  auto& gpu = all.gpus[t.placement.gpus.front()];
  const auto n = static_cast<double>(t.shape.n_ranks);
  for (auto* figure : {&gpu.bandwidth, &gpu.fp16_tflops, &gpu.fp32_tflops}) {
    if (*figure) (*figure)->value *= n;
  }
  auto one = t.placement;
  one.gpus = {t.placement.gpus.front()};
  one.split = {1};
  auto speed = run.plan.speed(type, one, all);
  const auto wait = t.shape.n_ranks > 1 ? 2 * k_all_reduce * run.model.n_layer : 0;
  if (speed.generation_tps) {
    const auto seconds = 1 / speed.generation_tps->estimate + wait;
    speed.generation_tps = Range{k_speed_low / seconds, 1 / seconds, k_speed_high / seconds};
  }
  return speed;
}

VllmTrial try_ranks(const Run& run, CheckpointType type, std::uint32_t n_ranks)
{
  VllmTrial t;
  const auto& gpu = run.hardware.gpus[run.gpus.front()];
  t.shape = vllm_shape(run.model, run.workload, gpu, n_ranks);
  t.placement.mode = Placement::Mode::gpu;
  t.placement.backend = gpu.vendor == "AMD" ? Backend::rocm : Backend::cuda;
  t.placement.n_layers = run.model.n_layer;
  t.placement.n_gpu_layers = run.model.n_layer + 1;
  t.placement.gpus.assign(run.gpus.begin(), run.gpus.begin() + n_ranks);
  t.placement.split.assign(n_ranks, 1.0 / n_ranks);
  t.rank = rank_parts(run, type, t.shape, t.shape.max_model_len);
  t.host.runtime_overhead = vllm_host(n_ranks);
  t.budget = budget_of(gpu, run);
  t.host_budget = host_budget(run.hardware, run.question);
  const auto share = [](Bytes budget, Bytes need) {
    return budget.count == 0
               ? -1.0
               : (static_cast<double>(budget.count) - static_cast<double>(need.count)) / static_cast<double>(budget.count);
  };
  // Unified memory is one pool, and what the GPU takes of it the host has not.
  const auto pool =
      gpu.unified_memory ? saturating_sub(t.host_budget, saturating_sub(t.rank.total(), own_memory(gpu))) : t.host_budget;
  t.headroom = std::min(share(t.budget, t.rank.total()), share(pool, t.host.total()));
  t.speed = speed_of(run, type, t);
  t.grade = make_grade(t.headroom, t.speed.generation_tps ? std::optional(t.speed.generation_tps->estimate) : std::nullopt, false,
                       true);
  t.fits = t.headroom >= 0;
  return t;
}

/// The tensor parallel size with the best grade; ties to fewer cards. What fits nowhere has most room on most cards.
VllmTrial best_trial(const Run& run, CheckpointType type)
{
  std::optional<VllmTrial> best;
  for (const std::uint32_t n : {1u, 2u, 4u, 8u}) {
    if (n > run.gpus.size() || !divides_heads(run.model, n)) continue;
    auto t = try_ranks(run, type, n);
    if (!best || t.grade.letter > best->grade.letter || (!best->fits && t.headroom > best->headroom)) best = std::move(t);
  }
  return std::move(*best);  // one card always divides the heads
}

/// The longest sequence of which `n_seq` fit, in the steps that a context is rounded up to here, at most the trained context.
std::uint32_t longest(const Run& run, const VllmTrial& t)
{
  const auto fixed = saturating_sub(t.rank.total(), t.rank.kv_cache + t.rank.recurrent_state);
  const auto fits = [&](std::uint32_t n) {
    const auto cache = vllm_cache(run.model, t.shape, n);
    return fixed + cache.kv + cache.states <= t.budget;
  };
  std::uint32_t low = 0, high = (run.model.n_ctx_train > 0 ? run.model.n_ctx_train : 1u << 20) / k_ctx_step;
  while (low < high) {
    const auto middle = low + (high - low + 1) / 2;
    if (fits(k_ctx_step * middle)) low = middle;
    else high = middle - 1;
  }
  return k_ctx_step * low * t.shape.n_seq;
}

QuantReport empty_row(const Run& run, CheckpointType type)
{
  return checkpoint_row(run.model, run.facts, type, vllm_weights(run.model, run.plan.tensors(), run.plan.layers(), type, 1),
                        vllm_bits(run.model, run.plan.tensors(), run.plan.layers(), type));
}

QuantReport row_of(const Run& run, CheckpointType type, const VllmTrial& t)
{
  auto row = empty_row(run, type);
  row.grade = t.grade;
  row.fits = t.fits;
  row.placement = t.placement;
  if (!t.fits) row.placement.mode = Placement::Mode::none;
  for (const auto g : t.placement.gpus) {
    row.devices.push_back({fmt::format("gpu{}", g), run.hardware.gpus[g].name, t.rank, t.budget});
    row.memory += t.rank;
  }
  row.devices.push_back({"host", run.hardware.cpu.model, t.host, t.host_budget});
  row.memory += t.host;
  row.speed = t.speed;
  row.max_ctx = longest(run, t);
  if (t.shape.n_ranks > 1) row.notes.push_back(fmt::format("tensor parallel over {} GPUs", t.shape.n_ranks));
  if (!t.fits) {
    const bool gpu_lacks = t.rank.total() > t.budget;
    row.notes.push_back(
        gpu_lacks
            ? fmt::format("vLLM offloads nothing and needs {:.1f} GiB where it may use {:.1f} GiB of {}",
                          to_gib(t.rank.total()).value, to_gib(t.budget).value, t.shape.n_ranks > 1 ? "each GPU" : "the GPU")
            : fmt::format("{} processes of vLLM need {:.1f} GiB of RAM", t.shape.n_ranks + 2, to_gib(t.host.total()).value));
    return row;
  }
  const auto free = saturating_sub(t.budget, t.rank.total());
  const auto one = vllm_cache(run.model,
                              {.n_ranks = t.shape.n_ranks,
                               .max_model_len = t.shape.max_model_len,
                               .n_seq = 1,
                               .max_num_seqs = t.shape.max_num_seqs,
                               .max_batched_tokens = t.shape.max_batched_tokens,
                               .cache_bytes = t.shape.cache_bytes},
                              t.shape.max_model_len);
  const auto each = static_cast<double>((one.kv + one.states).count);
  if (each > 0) {
    row.notes.push_back(fmt::format("cache for {:.1f} requests of {} tokens at the same time",
                                    t.shape.n_seq + static_cast<double>(free.count) / each, t.shape.max_model_len));
  }
  row.command = [&] {
    const RunRequest request{.file = row.file,
                             .n_ctx = t.shape.max_model_len * t.shape.n_seq,
                             .embedding = false,
                             .workload = run.workload,
                             .placement = row.placement,
                             .hardware = run.hardware,
                             .checkpoint = type};
    auto words = vllm_arguments(request);
    words.insert(words.begin(), {"vllm", "serve"});
    return shell_line(words);
  }();
  return row;
}

}  // namespace

void evaluate_vllm(ModelReport& report, const ModelSpec& model, const ModelFacts& facts, CheckpointPlan& plan,
                   const HardwareProfile& hardware, const Question& question)
{
  const Run run{model, facts, hardware, question, question.workload, plan, equal_gpus(hardware)};
  const auto refused = vllm_refuses(model, facts, question);
  for (const auto type : checkpoint_rows(model, question, checkpoint_types(Runtime::vllm))) {
    std::optional<std::string> why = refused;
    if (!why && run.gpus.empty()) why = "vLLM is covered here on GPUs only and there is none with a known memory";
    if (!why) why = vllm_refuses(hardware.gpus[run.gpus.front()], type);
    if (!why && type == CheckpointType::mxfp4 && model.native_type != FileType::MXFP4_MOE)
      why = "MXFP4 checkpoints are those of models that were published in it";
    report.quants.push_back(why ? refused_checkpoint(empty_row(run, type), model, *why)
                                : row_of(run, type, best_trial(run, type)));
  }
  choose_checkpoint(report, question);
}

}  // namespace canirun
