#include "canirun/core/recommend.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <tuple>

namespace canirun {

namespace {

bool has_task(const ModelReport& model, const std::string& task)
{
  return task.empty() || std::ranges::find(model.tasks, task) != model.tasks.end();
}

// A model is out of date when one that is no smaller, no worse here and this much newer does the same tasks.
constexpr int k_outdated_months = 12;

/// Months since year 0 of "2025-04" or "2025-04-28"; nothing for anything else.
std::optional<int> months_of(std::string_view release)
{
  const auto digit = [&](std::size_t i) { return i < release.size() && release[i] >= '0' && release[i] <= '9' ? release[i] - '0' : -1; };
  for (const std::size_t i : {0U, 1U, 2U, 3U, 5U, 6U}) {
    if (digit(i) < 0) return std::nullopt;
  }
  const auto year = 1000 * digit(0) + 100 * digit(1) + 10 * digit(2) + digit(3);
  return 12 * year + 10 * digit(5) + digit(6);
}

/// Whether `newer` takes the place of `model`: the catalogue's evidence of capability is a model's size, its tasks and its date.
bool outdates(const ModelReport& newer, const ModelReport& model)
{
  const auto then = months_of(model.release), now = months_of(newer.release);
  if (!then || !now || *now - *then < k_outdated_months) return false;
  if (newer.n_params < model.n_params || *newer.grade < *model.grade) return false;
  return std::ranges::all_of(model.tasks, [&](const std::string& task) { return has_task(newer, task); });
}

/// What the list so far has, for saying what the next one adds to it.
struct Seen {
  std::optional<Letter> letter;
  std::string newest;
  double fastest = 0;
  std::map<std::string, std::size_t> of_family;
};

std::string reason_of(const ModelReport& model, const Seen& seen, const std::string& task)
{
  const auto& row = model.quants[*model.best];
  const auto tps = row.speed.generation_tps ? row.speed.generation_tps->estimate : 0;
  const auto& family = model.family.empty() ? model.id : model.family;
  if (seen.letter != model.grade) return fmt::format("largest {}with grade {}", task.empty() ? "" : task + " ", name(*model.grade));
  if (model.release > seen.newest) return "newest so far";
  if (tps > seen.fastest) return "fastest so far";
  return seen.of_family.contains(family) ? "smaller of its family" : fmt::format("{} as a choice", family);
}

}  // namespace

std::vector<Recommendation> recommend(std::span<const ModelReport> models, const RecommendOptions& options)
{
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < models.size(); ++i) {
    const auto& m = models[i];
    if (m.grade && m.best && *m.grade >= options.least && *m.grade > Letter::F && has_task(m, options.task)) order.push_back(i);
  }
  const auto candidates = order;
  std::erase_if(order, [&](std::size_t i) {
    return std::ranges::any_of(candidates, [&](std::size_t o) { return outdates(models[o], models[i]); });
  });
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const auto& x = models[a];
    const auto& y = models[b];
    return std::tie(*y.grade, y.n_params, y.release, x.id) < std::tie(*x.grade, x.n_params, x.release, y.id);
  });
  std::vector<Recommendation> list;
  Seen seen;
  for (const auto i : order) {
    const auto& m = models[i];
    const auto& family = m.family.empty() ? m.id : m.family;
    if (list.size() == options.limit) break;
    if (seen.of_family[family] == options.per_family) continue;
    if (seen.of_family[family] == 0) seen.of_family.erase(family);
    list.push_back({i, reason_of(m, seen, options.task)});
    ++seen.of_family[family];
    seen.letter = m.grade;
    seen.newest = std::max(seen.newest, m.release);
    const auto& speed = m.quants[*m.best].speed.generation_tps;
    seen.fastest = std::max(seen.fastest, speed ? speed->estimate : 0);
  }
  return list;
}

}  // namespace canirun
