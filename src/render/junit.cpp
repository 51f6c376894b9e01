#include <algorithm>
#include <fmt/format.h>

#include "markup.hpp"
#include "renderers.hpp"
#include "verdicts.hpp"

namespace canirun {

namespace {

/// The failures of one verdict, all in one element as the form has it.
std::string failure(const CheckResult& c)
{
  std::string message, advices;
  for (const auto& f : c.failures) {
    message += (message.empty() ? "" : "; ") + sentence(f);
    if (!c.nearest.empty() && !advices.empty()) continue;  // one change answers all of them
    advices += (advices.empty() ? "" : "; ") + advice(c, f);
  }
  return fmt::format("      <failure type=\"requirement\" message=\"{}\">{}</failure>\n", escape_markup(message),
                     escape_markup(advices));
}

}  // namespace

/// One test suite a machine, one test case a model: the form that Jenkins, GitLab and GitHub's reporters read.
std::string render_junit(Reports reports, const RenderOptions&)
{
  std::string suites;
  std::size_t tests = 0, failures = 0;
  for (const auto& report : reports) {
    const auto all = verdicts(report);
    const auto failed = static_cast<std::size_t>(std::ranges::count_if(all, [](const CheckResult& c) { return !c.passed(); }));
    const auto suite = escape_markup(report.machine.empty() ? "canirun" : "canirun." + report.machine);
    suites += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\">\n", suite, all.size(), failed);
    for (const auto& c : all) {
      suites += fmt::format("    <testcase classname=\"{}\" name=\"{}\"", suite, escape_markup(subject(c)));
      suites += c.passed() ? "/>\n" : ">\n" + failure(c) + "    </testcase>\n";
    }
    suites += "  </testsuite>\n";
    tests += all.size();
    failures += failed;
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"canirun\" tests=\"{}\" failures=\"{}\" "
      "errors=\"0\">\n{}</testsuites>\n",
      tests, failures, suites);
}

}  // namespace canirun
