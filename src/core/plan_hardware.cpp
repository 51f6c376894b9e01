#include <algorithm>
#include <fmt/format.h>
#include <tuple>
#include <utility>

#include "canirun/core/plan.hpp"
#include "row.hpp"

namespace canirun {

namespace {

// Machines that people build: one, two or four equal cards, eight in a server.
constexpr std::uint32_t k_card_counts[] = {1, 2, 4, 8};
constexpr std::uint64_t k_memory_step = std::uint64_t{1} << 30;  // sizes are found to a GiB
constexpr std::uint64_t k_memory_most = 2048;                    // in steps
constexpr double k_bandwidth_step = 10e9, k_bandwidth_most = 10e12;

bool meets(const Trial& trial, const Requirement& requirement)
{
  if (!trial.fits || trial.grade.letter < requirement.min_grade) return false;
  if (!requirement.min_speed) return true;
  return trial.speed.generation_tps && trial.speed.generation_tps->estimate >= *requirement.min_speed;
}

/// The least number of steps up to `most` that is enough, by bisection; more never makes worse.
template <typename Enough>
std::optional<std::uint64_t> least_steps(std::uint64_t most, Enough enough)
{
  if (!enough(most)) return std::nullopt;
  std::uint64_t low = 0, high = most;  // low is not enough, high is
  while (low + 1 < high) {
    const auto middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

Figure figure(double value, std::string unit)
{
  Figure f;
  f.value = value;
  f.unit = std::move(unit);
  f.source = "plan";
  f.confidence = FigureConfidence::assumed;
  return f;
}

HardwareProfile without_gpus(const HardwareProfile& host)
{
  auto machine = host;
  machine.gpus.clear();
  return machine;
}

/// A card of a size with plenty of bandwidth and arithmetic, so that memory alone decides; a current NVIDIA card's behaviour.
Gpu ample_card(Bytes vram, double bandwidth)
{
  Gpu gpu;
  gpu.name = "card";
  gpu.vendor = "NVIDIA";
  gpu.architecture = "Blackwell";
  gpu.backends = {"cuda"};
  gpu.from_table = true;
  gpu.memory_total = figure(static_cast<double>(vram.count), "B");
  gpu.bandwidth = figure(bandwidth, "B/s");
  gpu.fp32_tflops = figure(bandwidth * 60e-12, "TFLOP/s");  // 60 operations a byte, as such cards have
  gpu.fp16_tflops = figure(bandwidth * 240e-12, "TFLOP/s");
  return gpu;
}

class Planner {
 public:
  Planner(const ModelSpec& model, FileType quant, Question question, const Requirement& requirement,
          const HardwareProfile& host)
      : model_(model),
        quant_(quant),
        plan_(plan_of(model, quant)),
        question_(std::move(question)),
        requirement_(requirement),
        host_(without_gpus(host)),
        memory_(model, plan_)
  {
    question_.placement = {};
    question_.placement.n_gpu_layers = -1;  // everything on the cards: what `auto` grades at least as well
  }

  LeastHardware least()
  {
    LeastHardware result;
    const auto with_card = [&](std::uint64_t gib, double bandwidth) {
      auto machine = host_;
      machine.gpus = {ample_card({gib * k_memory_step}, bandwidth)};
      const auto trial = grade(machine);
      return meets(trial, requirement_) && trial.placement.mode == Placement::Mode::gpu;
    };
    if (const auto gib = least_steps(k_memory_most, [&](std::uint64_t n) { return with_card(n, k_bandwidth_most); })) {
      result.vram = Bytes{*gib * k_memory_step};
      const auto steps = static_cast<std::uint64_t>(k_bandwidth_most / k_bandwidth_step);
      const auto needed =
          least_steps(steps, [&](std::uint64_t n) { return with_card(*gib, static_cast<double>(n) * k_bandwidth_step); });
      if (needed) result.bandwidth = static_cast<double>(*needed) * k_bandwidth_step;
    }
    const auto with_ram = [&](std::uint64_t gib) {
      auto machine = host_;
      machine.memory.total = Bytes{gib * k_memory_step};
      machine.memory.limit.reset();
      return meets(grade(machine), requirement_);
    };
    if (const auto gib = least_steps(k_memory_most, with_ram)) result.ram = Bytes{*gib * k_memory_step};
    return result;
  }

  void add(const PlanCard& card, std::uint32_t count, std::vector<PlannedMachine>& machines)
  {
    PlannedMachine m;
    m.card_id = card.id;
    m.count = count;
    m.vram = {card.gpu.memory_total ? count * card.gpu.memory_total->bytes().count : 0};
    if (m.vram < plan_bytes_ || card.gpu.backends.empty()) return;  // not even the weights; nothing that runs on it
    m.hardware = host_;
    m.hardware.gpus.assign(count, card.gpu);
    if (card.gpu.unified_memory) m.hardware.memory.total = m.vram;  // one pool
    if (finish(m)) {
      const auto gib = to_gib(m.vram).value / count;
      const auto sized = card.name.ends_with("GB")
                             ? card.name
                             : fmt::format("{}{} {:.0f} GiB", card.name, card.gpu.unified_memory ? "," : "", gib);
      m.name = count == 1 ? sized : fmt::format("{} × {}", count, sized);
      machines.push_back(std::move(m));
    }
  }

  void add_cpu(const LeastHardware& least, std::vector<PlannedMachine>& machines)
  {
    if (!least.ram) return;
    PlannedMachine m;
    m.hardware = host_;
    m.hardware.memory.total = least.ram;
    m.hardware.memory.limit.reset();
    m.name = fmt::format("this CPU with {:.0f} GiB of RAM", to_gib(*least.ram).value);
    if (finish(m)) machines.push_back(std::move(m));
  }

 private:
  Trial grade(const HardwareProfile& machine) { return grade_row(model_, plan_, machine, question_, memory_); }

  /// Grades the machine; true when it meets the requirement with every card used.
  bool finish(PlannedMachine& m)
  {
    const auto trial = grade(m.hardware);
    if (!meets(trial, requirement_)) return false;
    if (m.count > 0 && (trial.placement.mode != Placement::Mode::gpu || trial.placement.gpus.size() != m.count)) return false;
    m.quant = quant_;
    m.grade = trial.grade;
    m.headroom = trial.room.share;
    if (trial.speed.generation_tps) m.tokens_per_second = trial.speed.generation_tps->estimate;
    return true;
  }

  const ModelSpec& model_;
  const FileType quant_;
  const TensorPlan plan_;
  const Bytes plan_bytes_ = plan_.total_bytes();
  Question question_;
  const Requirement& requirement_;
  const HardwareProfile host_;
  MemoryCache memory_;
};

}  // namespace

HardwarePlan plan_hardware(const ModelSpec& model, FileType quant, const Question& question, const Requirement& requirement,
                           const HardwareProfile& host, std::span<const PlanCard> cards)
{
  Planner planner(model, quant, question, requirement, host);
  HardwarePlan plan;
  plan.quant = quant;
  plan.least = planner.least();
  for (const auto& card : cards) {
    const auto before = plan.machines.size();
    for (const auto count : k_card_counts) {
      if (count > 1 && (card.gpu.unified_memory || card.gpu.type != GpuType::discrete)) break;
      planner.add(card, count, plan.machines);
      if (plan.machines.size() > before) break;  // more of the same card are not the least
    }
  }
  planner.add_cpu(plan.least, plan.machines);
  std::ranges::stable_sort(plan.machines, [](const PlannedMachine& a, const PlannedMachine& b) {
    const auto speed = [](const PlannedMachine& m) { return m.tokens_per_second.value_or(0); };
    return std::tuple(a.vram, a.count, speed(a)) < std::tuple(b.vram, b.count, speed(b));
  });
  return plan;
}

}  // namespace canirun
