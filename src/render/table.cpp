#include <algorithm>
#include <fmt/format.h>

#include "renderers.hpp"
#include "style.hpp"
#include "text.hpp"

namespace canirun {

/// The terminal's answer: a report of requirements, machines side by side, one model in full, or a ranked list.
std::string render_table(Reports reports, const RenderOptions& options)
{
  if (std::ranges::any_of(reports, [](const Report& r) { return !r.checks.empty(); })) return render_checks(reports, options);
  if (options.plain) return render_plain(reports, options);
  if (reports.size() > 1) return render_comparison(reports, options);
  const auto& report = reports.front();
  if (report.models.size() != 1 || options.machine_answer) return render_ranking(report, options);
  const auto& model = report.models.front();
  auto text = render_model(report, model, options);
  if (options.explain) text += "\n" + render_explanation(report, model, options);
  return text;
}

}  // namespace canirun
