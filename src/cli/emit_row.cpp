#include "emit_row.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "canirun/render/emit.hpp"
#include "commands.hpp"
#include "output.hpp"
#include "render/describe.hpp"
#include "render/text.hpp"

namespace canirun {

namespace {

int not_met(const std::string& why)
{
  write_message(fmt::format("canirun: {}\n", clean(why)));  // it may quote a name from a file
  return k_not_met;
}

std::string failure_text(const CheckResult& check)
{
  const auto& f = check.failures.front();
  return fmt::format("{} does not meet --{} {}: it has {}", check.model, f.requirement, f.asked, f.found);
}

}  // namespace

Result<int> emit_row(Reports reports, const Options& o, int status)
{
  const auto& report = reports.front();
  if (reports.size() != 1 || report.models.size() != 1) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("--emit needs one model and one machine, as in `canirun llama-3.1-8b --emit {}`", o.emit));
  }
  if (o.format != "table" || o.plain) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("--emit {} prints a text of its own; leave out --format, --json and --plain", o.emit));
  }
  const auto& model = report.models.front();
  if (!model.best) {
    const auto why = model.notes.empty() ? std::string("no quantisation of it is known") : model.notes.front();
    if (status != k_done) return not_met(why);
    return fail(ErrorKind::invalid_argument, fmt::format("{} cannot be run as asked: {}", model.id, why));
  }
  const auto& row = model.quants[*model.best];
  for (const auto& check : report.checks) {
    if (!check.passed()) return not_met(failure_text(check));
  }
  if (!row.fits) {
    // The row that needs least says what is missing.
    const auto& least = *std::ranges::min_element(model.quants, {}, [](const QuantReport& r) { return r.memory.total(); });
    const auto why = least.notes.empty() ? std::string() : fmt::format(" ({})", least.notes.front());
    return not_met(fmt::format("{} does not fit this machine at {}{}; `canirun plan {}` says what would run it", model.id,
                               quant_text(least), why, model.id));
  }
  const auto text = emit_run(o.emit, {report, model, row});
  if (!text) return tl::unexpected(text.error());
  return emit(*text, o, status);
}

}  // namespace canirun
