#include "renderers.hpp"

namespace canirun {

/// The terminal's answer: a report of requirements, one model in full, or a ranked list.
std::string render_table(const Report& report, const RenderOptions& options)
{
  if (!report.checks.empty()) return render_checks(report, options);
  if (options.plain) return render_plain(report, options);
  if (report.models.size() != 1 || options.machine_answer) return render_ranking(report, options);
  const auto& model = report.models.front();
  auto text = render_model(report, model, options);
  if (options.explain) text += "\n" + render_explanation(report, model, options);
  return text;
}

}  // namespace canirun
