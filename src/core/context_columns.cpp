#include "canirun/core/context_columns.hpp"

namespace canirun {

namespace {

/// Fewer tokens than these no conversation has; more columns than these no page.
constexpr std::uint32_t k_shortest = 2048;
constexpr std::size_t k_most = 10;

std::vector<std::uint32_t> contexts_of(std::uint32_t n_ctx_train)
{
  std::vector<std::uint32_t> contexts;
  for (std::uint32_t n = k_shortest; n < n_ctx_train && contexts.size() + 1 < k_most; n *= 2) contexts.push_back(n);
  contexts.push_back(n_ctx_train);
  return contexts;
}

}  // namespace

std::vector<ContextColumn> context_columns(const ModelSpec& model, const ModelReport& report, const HardwareProfile& hardware,
                                           const Question& question)
{
  if (report.quants.empty() || report.n_ctx_train == 0) return {};
  auto other = question;
  other.best_only = false;
  std::vector<ContextColumn> columns;
  for (const auto n_ctx : contexts_of(report.n_ctx_train)) {
    other.workload.n_ctx = n_ctx;
    const auto at = evaluate(model, {}, hardware, other);
    if (at.quants.size() != report.quants.size()) return {};
    auto& column = columns.emplace_back(ContextColumn{n_ctx, {}});
    for (const auto& row : at.quants) column.cells.push_back({row.grade.letter, row.memory.total()});
  }
  return columns;
}

}  // namespace canirun
