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

std::string reason_of(const ModelReport& model, bool first_of_grade, const std::string& task)
{
  const auto& row = model.quants[*model.best];
  auto text = first_of_grade ? fmt::format("largest {}model with grade {}", task.empty() ? "" : task + " ", name(*model.grade))
                             : fmt::format("grade {}", name(*model.grade));
  text += fmt::format(" at {}", row.quant_label ? *row.quant_label : std::string(name(row.quant)));
  if (row.speed.generation_tps) text += fmt::format(", about {:.0f} t/s", row.speed.generation_tps->estimate);
  if (row.placement.mode != Placement::Mode::gpu && row.placement.mode != Placement::Mode::none)
    text += ", partly or wholly in RAM";
  return text;
}

}  // namespace

std::vector<Recommendation> recommend(std::span<const ModelReport> models, const RecommendOptions& options)
{
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < models.size(); ++i) {
    const auto& m = models[i];
    if (m.grade && m.best && *m.grade >= options.least && *m.grade > Letter::F && has_task(m, options.task)) order.push_back(i);
  }
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const auto& x = models[a];
    const auto& y = models[b];
    return std::tie(*y.grade, y.n_params, y.release, x.id) < std::tie(*x.grade, x.n_params, x.release, y.id);
  });
  std::vector<Recommendation> list;
  std::map<std::string, std::size_t> of_family;
  std::optional<Letter> last;
  for (const auto i : order) {
    const auto& m = models[i];
    const auto& family = m.family.empty() ? m.id : m.family;
    if (list.size() == options.limit) break;
    if (of_family[family] == options.per_family) continue;
    ++of_family[family];
    list.push_back({i, reason_of(m, last != m.grade, options.task)});
    last = m.grade;
  }
  return list;
}

}  // namespace canirun
