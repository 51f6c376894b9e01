#include <algorithm>
#include <fmt/format.h>
#include <functional>
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

/// A run on one machine, as `evaluate` grades it.
struct Graded {
  bool fits = false;
  Grade grade;
  double headroom = 0;
  std::optional<double> tps;
  std::size_t n_gpus = 0;
  bool all_on_gpus = false;
  std::string note;  ///< The first one.
};
using Grader = std::function<Graded(const HardwareProfile&)>;

bool meets(const Graded& run, const Requirement& requirement)
{
  if (!run.fits || run.grade.letter < requirement.min_grade) return false;
  return !requirement.min_speed || (run.tps && *run.tps >= *requirement.min_speed);
}

std::optional<double> central(const SpeedEstimate& speed)
{
  return speed.generation_tps ? std::optional(speed.generation_tps->estimate) : std::nullopt;
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
  /// `weights`: what the cards must hold at the least. `automatic`: grades as `evaluate` places, where that differs.
  Planner(Grader grade, Grader automatic, Bytes weights, const Requirement& requirement, const HardwareProfile& host)
      : grade_(std::move(grade)),
        automatic_(std::move(automatic)),
        weights_(weights),
        requirement_(requirement),
        host_(without_gpus(host))
  {
  }

  LeastHardware least()
  {
    LeastHardware result;
    const auto with_card = [&](std::uint64_t gib, double bandwidth) {
      auto machine = host_;
      machine.gpus = {ample_card({gib * k_memory_step}, bandwidth)};
      const auto run = grade_(machine);
      return meets(run, requirement_) && run.all_on_gpus;
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
      return meets(grade_(machine), requirement_);
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
    if (m.vram < weights_ || card.gpu.backends.empty()) return;  // not even the weights; nothing that runs on it
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
  /// Grades the machine; true when it meets the requirement with every card used.
  bool finish(PlannedMachine& m)
  {
    const auto run = grade_(m.hardware);
    if (!meets(run, requirement_)) return false;
    if (m.count > 0 && (!run.all_on_gpus || run.n_gpus != m.count)) return false;
    // Placed automatically it grades no worse, but where memory is short it may be slower.
    if (requirement_.min_speed && automatic_ && !meets(automatic_(m.hardware), requirement_)) return false;
    m.grade = run.grade;
    m.headroom = run.headroom;
    m.tokens_per_second = run.tps;
    return true;
  }

  const Grader grade_, automatic_;
  const Bytes weights_;
  const Requirement& requirement_;
  const HardwareProfile host_;
};

HardwarePlan plan_with(Planner planner, std::string quant, std::span<const PlanCard> cards)
{
  HardwarePlan plan;
  plan.quant = std::move(quant);
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

}  // namespace

HardwarePlan plan_hardware(const ModelSpec& model, FileType quant, const Question& question, const Requirement& requirement,
                           const HardwareProfile& host, std::span<const PlanCard> cards)
{
  const auto plan = plan_of(model, quant);
  MemoryCache memory(model, plan);
  auto asked = question;
  asked.placement = {};
  asked.placement.n_gpu_layers = -1;  // everything on the cards: what `auto` grades at least as well
  const auto grade_as = [&](const Question& q, const HardwareProfile& machine) {
    const auto trial = grade_row(model, plan, machine, q, memory);
    return Graded{.fits = trial.fits,
                  .grade = trial.grade,
                  .headroom = trial.room.share,
                  .tps = central(trial.speed),
                  .n_gpus = trial.placement.gpus.size(),
                  .all_on_gpus = trial.placement.mode == Placement::Mode::gpu,
                  .note = {}};
  };
  auto automatic = question;
  automatic.placement = {};
  return plan_with(
      {[&](const HardwareProfile& machine) { return grade_as(asked, machine); },
       [&](const HardwareProfile& machine) { return grade_as(automatic, machine); }, plan.total_bytes(), requirement, host},
      std::string(name(quant)), cards);
}

HardwarePlan plan_hardware(const ModelSpec& model, const ModelFacts& facts, CheckpointType type, const Question& question,
                           const Requirement& requirement, const HardwareProfile& host, std::span<const PlanCard> cards)
{
  auto asked = question;
  asked.checkpoints = {type};
  asked.best_only = false;
  Evaluation evaluation(model, facts, asked);
  const auto grade = [&](const HardwareProfile& machine) {
    const auto report = evaluation.on(machine);
    const auto& row = report.quants.front();
    return Graded{.fits = row.fits,
                  .grade = row.grade,
                  .headroom = headroom_of(row),
                  .tps = central(row.speed),
                  .n_gpus = row.placement.gpus.size(),
                  .all_on_gpus = row.placement.mode == Placement::Mode::gpu,
                  .note = row.notes.empty() ? "" : row.notes.front()};
  };
  const auto weights = evaluation.on(without_gpus(host)).quants.front().file_bytes;
  auto plan = plan_with({grade, {}, weights, requirement, host}, std::string(name(type)), cards);
  if (plan.machines.empty() && !plan.least.vram) {
    auto ample = without_gpus(host);
    ample.gpus = {ample_card({k_memory_most * k_memory_step}, k_bandwidth_most)};
    if (const auto run = grade(ample); !run.fits) plan.refused = run.note;
  }
  return plan;
}

CheckpointType usual_checkpoint(const ModelSpec& model, Runtime runtime)
{
  if (model.native_type == FileType::MXFP4_MOE) return CheckpointType::mxfp4;
  return runtime == Runtime::transformers ? CheckpointType::nf4 : CheckpointType::awq;
}

}  // namespace canirun
