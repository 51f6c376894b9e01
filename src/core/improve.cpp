#include "canirun/core/improve.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "row.hpp"

namespace canirun {

namespace {

using Kind = Improvement::Kind;

// Contexts below this are of little use to anybody; a change that needs one is no improvement.
constexpr std::uint32_t k_least_context = 2048;
// Memory is sold in steps of this, bandwidth is compared in steps of 10 GB/s.
constexpr std::uint64_t k_memory_step = std::uint64_t{1} << 30;
constexpr double k_bandwidth_step = 10e9;
// Nobody buys more than this for one model: 1 TiB of memory, 8 TB/s.
constexpr std::uint64_t k_memory_most = std::uint64_t{1} << 40;
constexpr double k_bandwidth_most = 8e12;

class Changes {
 public:
  Changes(const ModelSpec& model, FileType quant, const HardwareProfile& hardware, const Question& question)
      : model_(model),
        plan_(plan_of(model, quant)),
        hardware_(hardware),
        question_(question),
        now_(grade_row(model, plan_, hardware, question))
  {
  }

  std::optional<Improvement> smallest() const
  {
    if (now_.grade.letter == Letter::S) return std::nullopt;
    for (const auto& change : {cache_type(), context(), one_more_card(), memory(), bandwidth()}) {
      if (change) return change;
    }
    return std::nullopt;
  }

 private:
  Letter graded(const HardwareProfile& hardware, const Question& question) const
  {
    return grade_row(model_, plan_, hardware, question).grade.letter;
  }
  std::optional<Improvement> improvement(Kind kind, Letter letter, std::string how) const
  {
    if (letter <= now_.grade.letter) return std::nullopt;
    return Improvement{kind, letter, fmt::format("{} {}", name(letter), how)};
  }

  std::optional<Improvement> cache_type() const
  {
    auto question = question_;
    auto& w = question.workload;
    const bool already = w.cache_type_k != TensorType::f16 || w.cache_type_v != TensorType::f16;
    if (already || !now_.memory.flash_attn || now_.memory.total().kv_cache.count == 0) return std::nullopt;
    w.cache_type_k = w.cache_type_v = TensorType::q8_0;
    return improvement(Kind::cache_type, graded(hardware_, question), "with --cache-type-k q8_0 --cache-type-v q8_0");
  }

  /// Halves the context until the grade rises.
  std::optional<Improvement> context() const
  {
    auto question = question_;
    for (auto n_ctx = resolve(question.workload, model_).n_ctx / 2; n_ctx >= k_least_context; n_ctx /= 2) {
      question.workload.n_ctx = n_ctx;
      const auto how =
          n_ctx % 1024 == 0 ? fmt::format("at {}k context", n_ctx / 1024) : fmt::format("at {} tokens of context", n_ctx);
      if (auto found = improvement(Kind::context, graded(hardware_, question), how)) return found;
    }
    return std::nullopt;
  }

  std::optional<Improvement> one_more_card() const
  {
    const auto largest = std::ranges::max_element(hardware_.gpus, {}, [](const Gpu& g) {
      return g.type == GpuType::discrete && !g.unified_memory && g.memory_total ? g.memory_total->value : 0.0;
    });
    if (largest == hardware_.gpus.end() || largest->type != GpuType::discrete || largest->unified_memory ||
        !largest->memory_total) {
      return std::nullopt;
    }
    auto hardware = hardware_;
    hardware.gpus.push_back(*largest);
    return improvement(Kind::gpu, graded(hardware, question_), fmt::format("with one more {}", largest->name));
  }

  /// The least amount of RAM (of a pool where it is one) that raises the grade, by bisection: more memory never grades worse.
  std::optional<Improvement> memory() const
  {
    if (now_.grade.limited_by != GradeLimit::memory || !hardware_.memory.total) return std::nullopt;
    const auto with = [&](std::uint64_t steps) {
      auto hardware = hardware_;
      hardware.memory.total = Bytes{steps * k_memory_step};
      hardware.memory.limit.reset();
      for (auto& gpu : hardware.gpus) {
        if (gpu.unified_memory && gpu.memory_total) gpu.memory_total->value = static_cast<double>(steps * k_memory_step);
      }
      return graded(hardware, question_);
    };
    auto low = hardware_.memory.total->count / k_memory_step, high = k_memory_most / k_memory_step;
    if (low >= high || with(high) <= now_.grade.letter) return std::nullopt;
    while (low + 1 < high) {
      const auto middle = low + (high - low) / 2;
      (with(middle) > now_.grade.letter ? high : low) = middle;
    }
    return improvement(Kind::memory, with(high), fmt::format("with {} GiB of {}", high, unified() ? "unified memory" : "RAM"));
  }

  /// The least bandwidth of the devices that raises the grade; of the GPUs where they do the work, else of RAM.
  std::optional<Improvement> bandwidth() const
  {
    if (now_.grade.limited_by != GradeLimit::speed || !now_.grade.speed) return std::nullopt;
    const bool of_gpu = !now_.placement.gpus.empty() && now_.placement.mode == Placement::Mode::gpu;
    const auto with = [&](double more) {
      auto hardware = hardware_;
      if (!of_gpu) {
        if (!hardware.memory.bandwidth) return Letter::F;
        hardware.memory.bandwidth->value += more;
      }
      for (auto& gpu : hardware.gpus) {
        if (of_gpu && gpu.bandwidth) gpu.bandwidth->value += more;
      }
      return graded(hardware, question_);
    };
    auto low = 0.0, high = std::floor(k_bandwidth_most / k_bandwidth_step);
    if (with(high * k_bandwidth_step) <= now_.grade.letter) return std::nullopt;
    while (low + 1 < high) {
      const auto middle = std::floor((low + high) / 2);
      (with(middle * k_bandwidth_step) > now_.grade.letter ? high : low) = middle;
    }
    const auto gbs = static_cast<std::uint64_t>(high * k_bandwidth_step / 1e9);
    return improvement(Kind::bandwidth, with(high * k_bandwidth_step),
                       !of_gpu     ? fmt::format("with {} GB/s more from RAM", gbs)
                       : unified() ? fmt::format("with {} GB/s more of unified memory", gbs)
                                   : fmt::format("on a card with {} GB/s more", gbs));
  }

  bool unified() const
  {
    return std::ranges::any_of(hardware_.gpus, [](const Gpu& g) { return g.unified_memory && g.type != GpuType::cpu; });
  }

  const ModelSpec& model_;
  const TensorPlan plan_;
  const HardwareProfile& hardware_;
  const Question& question_;
  const Trial now_;
};

}  // namespace

std::optional<Improvement> smallest_change(const ModelSpec& model, FileType quant, const HardwareProfile& hardware,
                                           const Question& question)
{
  if (unplannable(model)) return std::nullopt;
  return Changes(model, quant, hardware, question).smallest();
}

}  // namespace canirun
