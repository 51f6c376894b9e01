#include "canirun/core/improve.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "row.hpp"
#include "speed_law.hpp"

namespace canirun {

namespace {

using Kind = Improvement::Kind;

// Contexts below this are of little use to anybody; a change that needs one is no improvement.
constexpr std::uint32_t k_least_context = 2048;
// Memory is sold in steps of this, bandwidth is compared in steps of 10 GB/s.
constexpr double k_memory_step = 1ULL << 30, k_bandwidth_step = 10e9;
// Nobody buys more than this for one model: 1 TiB of memory, cards of 8 TB/s, RAM of 600 GB/s (twelve channels of DDR5-6400), unified
// memory of 1 TB/s.
constexpr std::uint64_t k_memory_most = 1024, k_bandwidth_most = 800, k_ram_most = 60, k_unified_most = 100;  // in steps
// A first card is one of today's middle class: GeForce RTX 5060 Ti (data/gpus.json).
constexpr double k_card_bandwidth = 448e9, k_card_fp32_tflops = 23.7, k_card_fp16_tflops = 94.8;

bool is_card(const Gpu& gpu) { return gpu.type == GpuType::discrete && !gpu.unified_memory && gpu.memory_total; }

Figure assumed(double value, std::string unit)
{
  Figure figure;
  figure.value = value;
  figure.unit = std::move(unit);
  figure.source = "a machine that was asked about";
  figure.confidence = FigureConfidence::assumed;
  return figure;
}

/// What may be had with more memory or bandwidth: the cards, or the host's memory, which a unified GPU shares.
enum class Part { host, cards };

class Changes {
 public:
  Changes(const ModelSpec& model, FileType quant, const HardwareProfile& hardware, const Question& question)
      : model_(model),
        plan_(plan_of(model, quant)),
        hardware_(hardware),
        question_(question),
        memory_(model, plan_),
        now_(grade_row(model, plan_, hardware, question, memory_)),
        has_cards_(std::ranges::any_of(hardware.gpus, is_card)),
        unified_(std::ranges::any_of(hardware.gpus, [](const Gpu& g) { return g.unified_memory && g.type != GpuType::cpu; }))
  {
  }

  std::optional<Improvement> smallest() const
  {
    if (now_.grade.letter == Letter::S) return std::nullopt;
    for (const auto find : {&Changes::cache_type, &Changes::context, &Changes::one_more_card, &Changes::more_memory,
                            &Changes::more_bandwidth, &Changes::more_of_both, &Changes::first_card}) {
      if (auto change = (this->*find)()) return change;
    }
    return std::nullopt;
  }

 private:
  std::optional<Improvement> change(Kind kind, HardwareProfile hardware, Question question, const std::string& how) const
  {
    const auto letter = grade_row(model_, plan_, hardware, question).grade.letter;
    if (letter <= now_.grade.letter) return std::nullopt;
    return Improvement{kind, letter, fmt::format("{} {}", name(letter), how), std::move(hardware), std::move(question)};
  }
  bool raises(const HardwareProfile& hardware) const
  {
    return grade_row(model_, plan_, hardware, question_, memory_).grade.letter > now_.grade.letter;
  }

  /// Keys alone need no flash attention; values do.
  std::optional<Improvement> cache_type() const
  {
    auto question = question_;
    auto& w = question.workload;
    const bool already = w.cache_type_k != TensorType::f16 || w.cache_type_v != TensorType::f16;
    if (already || now_.memory.total().kv_cache.count == 0) return std::nullopt;
    w.cache_type_k = TensorType::q8_0;
    if (auto found = change(Kind::cache_type, hardware_, question, "with --cache-type-k q8_0")) return found;
    if (!now_.memory.flash_attn) return std::nullopt;
    w.cache_type_v = TensorType::q8_0;
    return change(Kind::cache_type, hardware_, question, "with --cache-type-k q8_0 --cache-type-v q8_0");
  }

  /// Halves the context until the grade rises.
  std::optional<Improvement> context() const
  {
    auto question = question_;
    for (auto n_ctx = resolve(question.workload, model_).n_ctx / 2; n_ctx >= k_least_context; n_ctx /= 2) {
      question.workload.n_ctx = n_ctx;
      const auto how =
          n_ctx % 1024 == 0 ? fmt::format("at {}k context", n_ctx / 1024) : fmt::format("at {} tokens of context", n_ctx);
      if (auto found = change(Kind::context, hardware_, question, how)) return found;
    }
    return std::nullopt;
  }

  std::optional<Improvement> one_more_card() const
  {
    if (!has_cards_) return std::nullopt;
    const auto largest =
        std::ranges::max_element(hardware_.gpus, {}, [](const Gpu& g) { return is_card(g) ? g.memory_total->value : 0.0; });
    auto hardware = hardware_;
    hardware.gpus.push_back(*largest);
    return change(Kind::gpu, std::move(hardware), question_, fmt::format("with one more {}", largest->name));
  }

  double memory_of(Part part) const
  {
    if (part == Part::host) {
      const auto total = hardware_.memory.total.value_or(Bytes{});
      return static_cast<double>(std::min(total, hardware_.memory.limit.value_or(total)).count);
    }
    double least = 0;
    for (const auto& g : hardware_.gpus) {
      if (is_card(g)) least = least > 0 ? std::min(least, g.memory_total->value) : g.memory_total->value;
    }
    return least;
  }

  /// The machine with at least `memory` bytes of a part and `more` bytes a second.
  HardwareProfile with(Part part, double memory, double more) const
  {
    auto hardware = hardware_;
    for (auto& gpu : hardware.gpus) {
      const bool changes = part == Part::cards ? is_card(gpu) : gpu.unified_memory;
      if (changes && gpu.memory_total) gpu.memory_total->value = std::max(gpu.memory_total->value, memory);
      if (changes && gpu.bandwidth) gpu.bandwidth->value += more;
    }
    if (part == Part::cards) return hardware;
    auto& host = hardware.memory;
    if (memory > memory_of(part)) {
      host.total = Bytes{static_cast<std::uint64_t>(memory)};
      host.limit.reset();
    }
    if (more > 0 && !host.bandwidth) host.bandwidth = assumed(cpu_rates(hardware_).bandwidth, "B/s");
    if (more > 0) host.bandwidth->value += more;
    return hardware;
  }

  /// The least number of steps in (low, high] for which `enough` holds, by bisection; more never makes worse.
  template <typename Enough>
  static std::optional<std::uint64_t> least(std::uint64_t low, std::uint64_t high, Enough enough)
  {
    if (low >= high || !enough(high)) return std::nullopt;
    while (low + 1 < high) {
      const auto middle = low + (high - low) / 2;
      (enough(middle) ? high : low) = middle;
    }
    return high;
  }
  std::optional<std::uint64_t> least_memory(Part part, double more) const
  {
    const auto now = static_cast<std::uint64_t>(memory_of(part) / k_memory_step);
    return least(now, k_memory_most,
                 [&](std::uint64_t gib) { return raises(with(part, static_cast<double>(gib) * k_memory_step, more)); });
  }
  std::uint64_t bandwidth_most(Part part) const
  {
    return part == Part::cards ? k_bandwidth_most : unified_ ? k_unified_most : k_ram_most;
  }
  std::optional<std::uint64_t> least_bandwidth(Part part, double memory) const
  {
    return least(0, bandwidth_most(part),
                 [&](std::uint64_t steps) { return raises(with(part, memory, static_cast<double>(steps) * k_bandwidth_step)); });
  }

  std::vector<Part> parts() const
  {
    std::vector<Part> list;
    if (memory_of(Part::host) > 0) list.push_back(Part::host);
    if (has_cards_) list.push_back(Part::cards);
    return list;
  }
  std::string_view host_word() const { return unified_ ? "unified memory" : "RAM"; }

  std::optional<Improvement> more_memory() const
  {
    for (const auto part : parts()) {
      const auto gib = least_memory(part, 0);
      if (!gib) continue;
      return change(
          Kind::memory, with(part, static_cast<double>(*gib) * k_memory_step, 0), question_,
          part == Part::cards ? fmt::format("on a card with {} GiB", *gib) : fmt::format("with {} GiB of {}", *gib, host_word()));
    }
    return std::nullopt;
  }

  std::optional<Improvement> more_bandwidth() const
  {
    for (const auto part : parts()) {
      const auto steps = least_bandwidth(part, 0);
      if (!steps) continue;
      const auto more = static_cast<double>(*steps) * k_bandwidth_step;
      return change(Kind::bandwidth, with(part, 0, more), question_,
                    part == Part::cards ? fmt::format("on a card with {:.0f} GB/s more", more / 1e9)
                    : unified_          ? fmt::format("with {:.0f} GB/s more of unified memory", more / 1e9)
                                        : fmt::format("with {:.0f} GB/s more from RAM", more / 1e9));
    }
    return std::nullopt;
  }

  /// Where both letters are the same, neither alone raises the grade: the least memory, then the least bandwidth with it.
  std::optional<Improvement> more_of_both() const
  {
    for (const auto part : parts()) {
      const auto gib = least_memory(part, static_cast<double>(bandwidth_most(part)) * k_bandwidth_step);
      if (!gib) continue;
      const auto memory = static_cast<double>(*gib) * k_memory_step;
      const auto steps = least_bandwidth(part, memory);
      if (!steps) continue;
      const auto more = static_cast<double>(*steps) * k_bandwidth_step;
      return change(Kind::memory_and_bandwidth, with(part, memory, more), question_,
                    part == Part::cards
                        ? fmt::format("on a card with {} GiB and {:.0f} GB/s more", *gib, more / 1e9)
                        : fmt::format("with {} GiB of {} and {:.0f} GB/s more of it", *gib, host_word(), more / 1e9));
    }
    return std::nullopt;
  }

  /// For a machine without a card: the least memory on one.
  std::optional<Improvement> first_card() const
  {
    if (has_cards_) return std::nullopt;
    const auto with_card = [&](std::uint64_t gib) {
      auto hardware = hardware_;
      Gpu gpu;
      gpu.name = "graphics card";
      gpu.vendor = "NVIDIA";
      gpu.architecture = "Blackwell";
      gpu.backends = {"cuda", "vulkan"};
      gpu.from_table = true;
      gpu.memory_total = assumed(static_cast<double>(gib) * k_memory_step, "B");
      gpu.bandwidth = assumed(k_card_bandwidth, "B/s");
      gpu.fp32_tflops = assumed(k_card_fp32_tflops, "TFLOP/s");
      gpu.fp16_tflops = assumed(k_card_fp16_tflops, "TFLOP/s");
      hardware.gpus = {std::move(gpu)};
      return hardware;
    };
    const auto gib = least(0, k_memory_most, [&](std::uint64_t n) { return raises(with_card(n)); });
    if (!gib) return std::nullopt;
    return change(Kind::first_gpu, with_card(*gib), question_,
                  fmt::format("with a graphics card of {} GiB at {:.0f} GB/s", *gib, k_card_bandwidth / 1e9));
  }

  const ModelSpec& model_;
  const TensorPlan plan_;
  const HardwareProfile& hardware_;
  const Question& question_;
  mutable MemoryCache memory_;  ///< Of `question_`: machines that differ ask for the same estimates.
  const Trial now_;
  const bool has_cards_, unified_;
};

}  // namespace

std::optional<Improvement> smallest_change(const ModelSpec& model, FileType quant, const HardwareProfile& hardware,
                                           const Question& question)
{
  if (unplannable(model)) return std::nullopt;
  return Changes(model, quant, hardware, question).smallest();
}

}  // namespace canirun
