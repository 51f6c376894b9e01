#include <fmt/format.h>

#include "renderers.hpp"
#include "style.hpp"
#include "text.hpp"

namespace canirun {

std::string render_checks(const Report& report, const RenderOptions& options)
{
  if (options.quiet) return {};
  const Style style(options);
  std::string out;
  for (const auto& c : report.checks) {
    const auto subject = clean(c.quant.empty() ? c.model : fmt::format("{} {}", c.model, c.quant), !style.unicode);
    if (c.passed()) out += fmt::format("{} {}\n", style.paint("pass", "1;32"), subject);
    for (const auto& f : c.failures) {
      out += fmt::format("{} {}: {} asked {}, found {}", style.paint("FAIL", "1;31"), subject, f.requirement, f.asked,
                         clean(f.found, !style.unicode));
      out +=
          c.nearest.empty() ? "; no smaller file type, cache or context passes\n" : fmt::format("; would pass: {}\n", c.nearest);
    }
  }
  return out;
}

}  // namespace canirun
