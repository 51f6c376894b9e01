#include <fmt/format.h>

#include "renderers.hpp"
#include "style.hpp"
#include "text.hpp"
#include "verdicts.hpp"

namespace canirun {

namespace {

/// "pass", or a line for each requirement that is not met: verdict, machine, model, quantisation, requirement, asked, found, remedy.
std::string plain_checks(Reports reports)
{
  std::string out;
  for (const auto& report : reports) {
    for (const auto& c : report.checks) {
      const auto who = fmt::format("{}\t{}\t{}", clean(report.machine), clean(c.model), clean(c.quant));
      if (c.passed()) out += fmt::format("pass\t{}\t\t\t\t\n", who);
      for (const auto& f : c.failures)
        out += fmt::format("FAIL\t{}\t{}\t{}\t{}\t{}\n", who, f.requirement, f.asked, clean(f.found), clean(c.nearest));
    }
  }
  return out;
}

}  // namespace

std::string render_checks(Reports reports, const RenderOptions& options)
{
  if (options.quiet) return {};
  if (options.plain) return plain_checks(reports);
  const Style style(options);
  std::string out;
  for (const auto& report : reports) {
    for (const auto& c : report.checks) {
      const auto who = clean(subject(report, c), !style.unicode);
      if (c.passed()) out += fmt::format("{} {}\n", style.paint("pass", "1;32"), who);
      for (const auto& f : c.failures) {
        out += fmt::format("{} {}: {}; {}\n", style.paint("FAIL", "1;31"), who, clean(sentence(f), !style.unicode),
                           clean(advice(c, f), !style.unicode));
      }
    }
  }
  return out;
}

}  // namespace canirun
