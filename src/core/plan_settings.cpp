#include <algorithm>

#include "canirun/core/plan.hpp"
#include "row.hpp"

namespace canirun {

namespace {

constexpr std::uint32_t k_least_context = 2048;

bool meets(const Trial& trial, const Requirement& requirement)
{
  const auto tps = trial.speed.generation_tps ? trial.speed.generation_tps->estimate : 0;
  return trial.fits && trial.grade.letter >= requirement.min_grade && tps >= requirement.min_speed.value_or(0);
}

/// Contexts worth trying, longest first: for a longer one every halving of the trained context, else the one that was asked for.
std::vector<std::uint32_t> contexts(const ModelSpec& model, const Question& question, Goal goal)
{
  if (goal != Goal::context) return {resolve(question.workload, model).n_ctx};
  std::vector<std::uint32_t> sizes{std::max(model.n_ctx_train, 1u)};
  while (sizes.back() / 2 >= k_least_context) sizes.push_back(sizes.back() / 2);
  return sizes;
}

/// Numbers of slots worth trying, most first.
std::vector<std::uint32_t> slots(const Question& question, Goal goal)
{
  if (goal != Goal::users) return {question.workload.n_seq_max};
  return {32, 16, 8, 4, 2, 1};
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
  // Plans with most bits first; less than Q4_K_S costs more quality than speed, context or users are worth (docs/grading.md).
  std::vector<std::pair<FileType, TensorPlan>> plans;
  if (!model.tensors.empty()) {
    plans.emplace_back(model.file_type.value_or(FileType::F16), plan_of(model, FileType::F16));
  } else {
    const auto types = question.quants.empty() ? default_file_types() : std::span<const FileType>(question.quants);
    const auto least = goal == Goal::quality ? 0.0 : plan_of(model, FileType::Q4_K_S).bits_per_weight().value;
    for (const auto type : types) {
      auto plan = plan_of(model, type);
      if (plan.bits_per_weight().value >= least) plans.emplace_back(type, std::move(plan));
    }
    std::ranges::stable_sort(plans, std::ranges::greater{}, [](const auto& p) { return p.second.bits_per_weight().value; });
  }

  // In the order of the goal, so that the first that reaches the requirement is the best; of speed, the fastest of all.
  struct Found {
    FileType quant;
    Workload workload;
    double tps;
  };
  std::optional<Found> best;
  const auto search = [&] {
    for (const auto n_seq : slots(question, goal)) {
      for (const auto n_ctx : contexts(model, question, goal)) {
        for (const auto& [type, plan] : plans) {
          for (const auto cache : {question.workload.cache_type_k, TensorType::q8_0}) {
            auto q = question;
            q.workload.n_seq_max = n_seq;
            q.workload.n_ctx = goal == Goal::users ? n_ctx * n_seq : n_ctx;
            if (cache != question.workload.cache_type_k) {
              if (q.workload.flash_attn == FlashAttention::off) continue;
              q.workload.cache_type_k = q.workload.cache_type_v = cache;
            }
            const auto trial = grade_row(model, plan, hardware, q);
            if (!meets(trial, requirement)) continue;
            const auto tps = trial.speed.generation_tps ? trial.speed.generation_tps->estimate : 0;
            if (!best || tps > best->tps) best = Found{type, q.workload, tps};
            if (goal != Goal::speed) return;
          }
        }
      }
    }
  };
  search();
  if (!best) return std::nullopt;
  auto q = question;
  q.workload = best->workload;
  q.quants = {best->quant};
  auto report = evaluate(model, facts, hardware, q);
  return Settings{best->quant, best->workload, std::move(report.quants.front())};
}

}  // namespace canirun
