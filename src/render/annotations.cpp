#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "canirun/core/fnv1a.hpp"
#include "renderers.hpp"
#include "text.hpp"
#include "verdicts.hpp"

namespace canirun {

namespace {

/// GitHub workflow commands end at a line break and use '%' as escape.
std::string escape_github(std::string_view text, bool property)
{
  std::string out;
  for (const char c : clean(text)) {
    if (c == '%') out += "%25";
    else if (property && c == ':') out += "%3A";
    else if (property && c == ',') out += "%2C";
    else out += c;
  }
  return out;
}

/// The same finding keeps its fingerprint between runs, so that GitLab can tell new from old.
std::string fingerprint(std::string_view text)
{
  Fnv1a hash;
  hash.add(text);
  return fmt::format("{:016x}", hash.value);
}

}  // namespace

std::string render_github(Reports reports, const RenderOptions&)
{
  std::string out;
  for (const auto& report : reports) {
    for (const auto& c : verdicts(report)) {
      const auto who = subject(report, c);
      if (c.passed()) out += fmt::format("::notice title=canirun::{} passes\n", escape_github(who, false));
      for (const auto& f : c.failures) {
        out += fmt::format("::error title={}::{}\n", escape_github("canirun " + who, true),
                           escape_github(sentence(f) + "; " + advice(c, f), false));
      }
    }
  }
  return out;
}

/// GitLab's code quality report: an array of findings.
std::string render_gitlab(Reports reports, const RenderOptions&)
{
  using json = nlohmann::ordered_json;
  json out = json::array();
  for (const auto& report : reports) {
    for (const auto& c : verdicts(report)) {
      for (const auto& f : c.failures) {
        const auto who = subject(report, c);
        // Two rules of a policy may ask the same of a model at different contexts.
        auto finding =
            fingerprint(fmt::format("{}\n{}\n{}", who, f.requirement, report.machine.empty() ? 0 : report.workload.n_ctx));
        out.push_back({{"description", clean(who + ": " + sentence(f) + "; " + advice(c, f))},
                       {"check_name", "canirun/" + f.requirement},
                       {"fingerprint", std::move(finding)},
                       {"severity", "major"},
                       {"location", {{"path", clean(c.model)}, {"lines", {{"begin", 1}}}}}});
      }
    }
  }
  return out.dump(2) + "\n";
}

}  // namespace canirun
