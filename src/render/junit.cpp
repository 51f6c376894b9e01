#include <algorithm>
#include <fmt/format.h>

#include "renderers.hpp"
#include "text.hpp"
#include "verdicts.hpp"

namespace canirun {

namespace {

std::string xml(std::string_view text)
{
  std::string out;
  for (const char c : clean(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace

/// One test case a model, one failure a requirement: the form that Jenkins, GitLab and GitHub's reporters read.
std::string render_junit(const Report& report, const RenderOptions&)
{
  const auto all = verdicts(report);
  const auto failed = std::ranges::count_if(all, [](const CheckResult& c) { return !c.passed(); });
  const auto counts = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\"", all.size(), failed);
  std::string out = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"canirun\" {0}>\n  <testsuite name=\"canirun\" {0}>\n",
      counts);
  for (const auto& c : all) {
    out += fmt::format("    <testcase classname=\"canirun\" name=\"{}\"", xml(subject(c)));
    if (c.passed()) {
      out += "/>\n";
      continue;
    }
    out += ">\n";
    std::string message;
    for (const auto& f : c.failures) message += (message.empty() ? "" : "; ") + sentence(f);
    out += fmt::format("      <failure type=\"requirement\" message=\"{}\">{}</failure>\n    </testcase>\n", xml(message),
                       xml(c.nearest.empty() ? "no smaller file type, cache or context passes" : "would pass: " + c.nearest));
  }
  return out + "  </testsuite>\n</testsuites>\n";
}

}  // namespace canirun
