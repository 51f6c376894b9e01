#include "canirun/core/improve.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>

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
// An image or a video is bound by arithmetic and bandwidth alike: cards that do both faster in steps of a tenth, up to ten times.
constexpr double k_faster_step = 0.1;
constexpr std::uint64_t k_faster_most = 90;
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

/// A row as far as a search for changes sees it.
struct GradedRow {
  const ModelSpec& model;
  Letter now = Letter::F;
  bool has_cache = false;   ///< One whose type may be changed, …
  bool keys_alone = false;  ///< … of keys without values too: …
  bool flash_attn = true;   ///< … values need it.
  /// The letter on another machine, and of another question.
  std::function<Letter(const HardwareProfile&)> on;
  std::function<Letter(const HardwareProfile&, const Question&)> asked;
};

class Changes {
 public:
  Changes(const GradedRow& row, const HardwareProfile& hardware, const Question& question)
      : row_(row),
        hardware_(hardware),
        question_(question),
        has_cards_(std::ranges::any_of(hardware.gpus, is_card)),
        unified_(std::ranges::any_of(hardware.gpus, [](const Gpu& g) { return g.unified_memory && g.type != GpuType::cpu; }))
  {
  }

  std::optional<Improvement> smallest() const
  {
    if (row_.now == Letter::S) return std::nullopt;
    for (const auto find : {&Changes::cache_type, &Changes::context, &Changes::one_more_card, &Changes::more_memory,
                            &Changes::more_bandwidth, &Changes::more_of_both, &Changes::first_card}) {
      if (auto change = (this->*find)()) return change;
    }
    return std::nullopt;
  }

 private:
  std::optional<Improvement> change(Kind kind, HardwareProfile hardware, Question question, const std::string& how) const
  {
    const auto letter = row_.asked(hardware, question);
    if (letter <= row_.now) return std::nullopt;
    return Improvement{kind, letter, fmt::format("{} {}", name(letter), how), std::move(hardware), std::move(question)};
  }
  bool raises(const HardwareProfile& hardware) const { return row_.on(hardware) > row_.now; }

  /// Keys alone need no flash attention; values do.
  std::optional<Improvement> cache_type() const
  {
    auto question = question_;
    auto& w = question.workload;
    const bool already = w.cache_type_k != TensorType::f16 || w.cache_type_v != TensorType::f16;
    if (already || !row_.has_cache) return std::nullopt;
    w.cache_type_k = TensorType::q8_0;
    if (row_.keys_alone) {
      if (auto found = change(Kind::cache_type, hardware_, question, "with --cache-type-k q8_0")) return found;
      if (!row_.flash_attn) return std::nullopt;
    }
    w.cache_type_v = TensorType::q8_0;
    return change(Kind::cache_type, hardware_, question, "with --cache-type-k q8_0 --cache-type-v q8_0");
  }

  /// Halves the context until the grade rises.
  std::optional<Improvement> context() const
  {
    auto question = question_;
    if (row_.model.kind != ModelKind::text) return std::nullopt;
    for (auto n_ctx = resolve(question.workload, row_.model).n_ctx / 2; n_ctx >= k_least_context; n_ctx /= 2) {
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

  bool by_factor(Part part) const { return part == Part::cards && row_.model.kind != ModelKind::text; }
  /// How much faster a card is by so many steps of bandwidth.
  static double factor(double more) { return 1 + k_faster_step * more / k_bandwidth_step; }
  std::string card_words(double more) const
  {
    return by_factor(Part::cards) ? fmt::format("{:.1f} times as fast", factor(more))
                                  : fmt::format("{:.0f} GB/s more", more / 1e9);
  }

  /// The machine with at least `memory` bytes of a part and `more` bytes a second, or a card faster by as many steps.
  HardwareProfile with(Part part, double memory, double more) const
  {
    auto hardware = hardware_;
    for (auto& gpu : hardware.gpus) {
      const bool changes = part == Part::cards ? is_card(gpu) : gpu.unified_memory;
      if (changes && gpu.memory_total) gpu.memory_total->value = std::max(gpu.memory_total->value, memory);
      if (!changes || more <= 0) continue;
      if (!by_factor(part)) {
        if (gpu.bandwidth) gpu.bandwidth->value += more;
        continue;
      }
      for (auto* figure : {&gpu.bandwidth, &gpu.fp16_tflops, &gpu.fp32_tflops}) {
        if (*figure) (*figure)->value *= factor(more);
      }
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
    if (by_factor(part)) return k_faster_most;
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
                    part == Part::cards ? fmt::format("on a card {}{}", by_factor(part) ? "" : "with ", card_words(more))
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
                        ? fmt::format("on a card with {} GiB and {}", *gib, card_words(more))
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

  const GradedRow& row_;
  const HardwareProfile& hardware_;
  const Question& question_;
  const bool has_cards_, unified_;
};

}  // namespace

std::optional<Improvement> smallest_change(const ModelSpec& model, FileType quant, const HardwareProfile& hardware,
                                           const Question& question)
{
  if (unplannable(model)) return std::nullopt;
  const auto plan = plan_of(model, quant);
  MemoryCache memory(model, plan);  // of `question`: machines that differ ask for the same estimates
  const auto now = grade_row(model, plan, hardware, question, memory);
  const GradedRow row{
      .model = model,
      .now = now.grade.letter,
      .has_cache = now.memory.total().kv_cache.count > 0,
      .keys_alone = true,
      .flash_attn = now.memory.flash_attn,
      .on = [&](const HardwareProfile& h) { return grade_row(model, plan, h, question, memory).grade.letter; },
      .asked = [&](const HardwareProfile& h, const Question& q) { return grade_row(model, plan, h, q).grade.letter; }};
  return Changes(row, hardware, question).smallest();
}

std::optional<Improvement> smallest_change(const ModelSpec& model, const ModelFacts& facts, const QuantReport& row,
                                           const HardwareProfile& hardware, const Question& question)
{
  if (!row.checkpoint && !row.media) return smallest_change(model, row.quant, hardware, question);
  auto asked = question;
  asked.best_only = false;
  asked.quants = {row.quant};
  if (row.checkpoint) asked.checkpoints = {*row.checkpoint};
  Evaluation evaluation(model, facts, asked);
  const auto letter = [](const ModelReport& report) {
    return report.quants.empty() ? Letter::F : report.quants.front().grade.letter;
  };
  const GradedRow graded{
      .model = model,
      .now = row.grade.letter,
      .has_cache = question.workload.runtime == Runtime::vllm && row.memory.kv_cache.count > 0,
      .keys_alone = false,
      .flash_attn = true,
      .on = [&](const HardwareProfile& h) { return letter(evaluation.on(h)); },
      .asked = [&](const HardwareProfile& h, const Question& q) { return letter(evaluate(model, facts, h, q)); }};
  return Changes(graded, hardware, asked).smallest();
}

}  // namespace canirun
