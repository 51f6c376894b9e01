#include <algorithm>
#include <tuple>

#include "canirun/core/plan.hpp"
#include "row.hpp"

namespace canirun {

namespace {

constexpr std::uint32_t k_least_context = 2048;
constexpr std::uint32_t k_slots[] = {1, 2, 4, 8, 16, 32};

bool meets(const Trial& trial, const Requirement& requirement)
{
  const auto tps = trial.speed.generation_tps ? trial.speed.generation_tps->estimate : 0;
  return trial.fits && trial.grade.letter >= requirement.min_grade && tps >= requirement.min_speed.value_or(0);
}

/// One candidate and what the goals compare.
struct Candidate {
  FileType quant = FileType::Q4_K_M;
  Workload workload;
  double bits = 0;
  double tps = 0;
};

/// Larger is better; the first entry is the goal, the rest settles ties.
std::tuple<double, double, double, double> rank(const Candidate& c, Goal goal)
{
  const auto context = static_cast<double>(c.workload.n_ctx / std::max(1u, c.workload.n_seq_max));
  const auto exact = c.workload.cache_type_k == TensorType::f16 ? 1.0 : 0.0;
  switch (goal) {
    case Goal::quality: return {c.bits, context, exact, c.tps};
    case Goal::speed: return {c.tps, c.bits, context, exact};
    case Goal::context: return {context, c.bits, exact, c.tps};
    case Goal::users: return {c.workload.n_seq_max, c.bits, context, exact};
  }
  return {};
}

/// Contexts worth trying: the one that was asked for, and for a longer one every doubling up to the trained context.
std::vector<std::uint32_t> contexts(const ModelSpec& model, const Question& question, Goal goal)
{
  const auto asked = resolve(question.workload, model).n_ctx;
  if (goal != Goal::context) return {asked};
  std::vector<std::uint32_t> sizes;
  for (std::uint64_t n = k_least_context; n < model.n_ctx_train; n *= 2) sizes.push_back(static_cast<std::uint32_t>(n));
  sizes.push_back(std::max(model.n_ctx_train, 1u));
  return sizes;
}

}  // namespace

std::string_view name(Goal goal)
{
  switch (goal) {
    case Goal::quality: return "quality";
    case Goal::speed: return "speed";
    case Goal::context: return "context";
    case Goal::users: return "users";
  }
  return "quality";
}

std::optional<Goal> parse_goal(std::string_view text)
{
  for (const auto goal : {Goal::quality, Goal::speed, Goal::context, Goal::users}) {
    if (text == name(goal)) return goal;
  }
  return std::nullopt;
}

std::optional<Settings> best_settings(const ModelSpec& model, const ModelFacts& facts, const HardwareProfile& hardware,
                                      const Question& question, const Requirement& requirement, Goal goal)
{
  std::vector<FileType> types;
  if (!model.tensors.empty()) types = {model.file_type.value_or(FileType::F16)};
  else if (!question.quants.empty()) types = question.quants;
  else types.assign(default_file_types().begin(), default_file_types().end());
  // Less than Q4_K_S costs more quality than speed, context or users are worth (docs/grading.md).
  const auto least_bits = model.tensors.empty() && goal != Goal::quality ? plan_of(model, FileType::Q4_K_S).bits_per_weight().value : 0.0;

  std::optional<Candidate> best;
  const auto offer = [&](FileType type, const TensorPlan& plan, const Workload& workload) {
    auto q = question;
    q.workload = workload;
    const auto trial = grade_row(model, plan, hardware, q);
    if (!meets(trial, requirement)) return false;
    const Candidate c{type, workload, plan.bits_per_weight().value, trial.speed.generation_tps ? trial.speed.generation_tps->estimate : 0};
    if (!best || rank(c, goal) > rank(*best, goal)) best = c;
    return true;
  };
  for (const auto type : types) {
    const auto plan = plan_of(model, type);
    if (plan.bits_per_weight().value < least_bits) continue;
    for (const auto cache : {TensorType::f16, TensorType::q8_0}) {
      auto workload = question.workload;
      if (cache != TensorType::f16) {
        if (workload.flash_attn == FlashAttention::off) continue;
        workload.cache_type_k = workload.cache_type_v = cache;
      }
      for (const auto n_ctx : contexts(model, question, goal)) {
        workload.n_ctx = n_ctx;
        workload.n_seq_max = question.workload.n_seq_max;
        if (goal != Goal::users) {
          offer(type, plan, workload);
          continue;
        }
        for (const auto slots : k_slots) {
          workload.n_seq_max = slots;
          workload.n_ctx = n_ctx * slots;
          if (!offer(type, plan, workload)) break;  // more slots need more
        }
      }
    }
  }
  if (!best) return std::nullopt;
  auto q = question;
  q.workload = best->workload;
  q.quants = {best->quant};
  auto report = evaluate(model, facts, hardware, q);
  return Settings{best->quant, best->workload, std::move(report.quants.front())};
}

}  // namespace canirun
