#include <fmt/format.h>
#include <nlohmann/json.hpp>

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

/// FNV-1a, 64 bits: the same finding keeps its fingerprint between runs, so that GitLab can tell new from old.
std::string fingerprint(std::string_view text)
{
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return fmt::format("{:016x}", hash);
}

std::string advice(const CheckResult& c) { return c.nearest.empty() ? "" : "; would pass: " + c.nearest; }

}  // namespace

std::string render_github(const Report& report, const RenderOptions&)
{
  std::string out;
  for (const auto& c : verdicts(report)) {
    if (c.passed()) out += fmt::format("::notice title=canirun::{} passes\n", escape_github(subject(c), false));
    for (const auto& f : c.failures) {
      out += fmt::format("::error title={}::{}\n", escape_github("canirun " + subject(c), true),
                         escape_github(sentence(f) + advice(c), false));
    }
  }
  return out;
}

/// GitLab's code quality report: an array of findings.
std::string render_gitlab(const Report& report, const RenderOptions&)
{
  using json = nlohmann::ordered_json;
  json out = json::array();
  for (const auto& c : verdicts(report)) {
    for (const auto& f : c.failures) {
      out.push_back({{"description", clean(subject(c) + ": " + sentence(f) + advice(c))},
                     {"check_name", "canirun/" + f.requirement},
                     {"fingerprint", fingerprint(c.model + "\n" + c.quant + "\n" + f.requirement)},
                     {"severity", "major"},
                     {"location", {{"path", clean(c.model)}, {"lines", {{"begin", 1}}}}}});
    }
  }
  return out.dump(2) + "\n";
}

}  // namespace canirun
