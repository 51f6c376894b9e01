#include <algorithm>
#include <fmt/format.h>

#include "canirun/core/context_columns.hpp"
#include "canirun/core/improve.hpp"
#include "canirun/core/measured_run.hpp"
#include "canirun/core/recommend.hpp"
#include "canirun/render/renderer.hpp"
#include "commands.hpp"
#include "emit_row.hpp"
#include "evaluate_all.hpp"
#include "machine.hpp"
#include "models.hpp"
#include "output.hpp"
#include "verify/saved_runs.hpp"

namespace canirun {

namespace {

/// Rows of this machine's list where no number was asked for: it fits a screen.
constexpr std::uint32_t k_rows_of_a_screen = 20;

/// A newer version of the same family and size that runs at least as well here, in one line.
void add_newer_version(ModelReport& model, const Catalogue& catalogue, const HardwareProfile& hardware, Question question)
{
  const auto* entry = model.source == "catalogue" ? catalogue.find(model.id) : nullptr;
  if (!entry || !model.grade) return;
  const auto runs = [](const ModelReport& m) { return m.best && m.quants[*m.best].fits; };
  const auto versions = other_versions(*entry, catalogue);
  // The newest first: what follows the entry in the list came after it.
  for (auto it = versions.rbegin(); it != versions.rend() && (*it)->facts.release >= entry->facts.release; ++it) {
    if (*it == catalogue.find(entry->supersedes)) break;
    question.best_only = true;
    const auto newer = evaluate((*it)->spec, (*it)->facts, hardware, question);
    if (!newer.grade || *newer.grade < *model.grade || !runs(newer)) continue;
    model.notes.push_back(fmt::format("newer: {} ({}) runs at least as well here, with grade {}", (*it)->spec.id,
                                      (*it)->facts.release, name(*newer.grade)));
    return;
  }
}

/// What would raise the grade, as notes of the model: of each row that was asked for by name, else of the best one, or of the one
/// that comes closest where none fits.
void add_smallest_change(ModelReport& model, const AskedModel& subject, const HardwareProfile& hardware, const Question& question)
{
  if (!model.best) return;
  const auto add = [&](const QuantReport& row) {
    const auto change = smallest_change(*subject.spec, subject.facts, row, hardware, question);
    if (!change) return;
    model.notes.push_back(fmt::format("{} would be {}", row.quant_label.value_or(std::string(name(row.quant))), change->text));
  };
  const auto& best = model.quants[*model.best];
  if (!question.quants.empty() || !question.checkpoints.empty()) std::ranges::for_each(model.quants, add);
  else add(best.fits ? best : *std::ranges::min_element(model.quants, {}, [](const QuantReport& r) { return r.memory.total(); }));
}

/// Nothing stands in for this machine's own figures, so that what was measured on it counts.
bool is_this_machine(const Options& o)
{
  const auto& m = o.machine;
  return o.profiles.empty() && m.gpus.empty() && !m.vram && !m.ram && !m.gpu_bandwidth && !m.ram_bandwidth && !m.cores &&
         !loads_checkpoints(o.question.workload.runtime);
}

/// True for the question "what should I run?": no model named, no list asked for, ranked by grade.
bool asks_for_advice(const Options& o)
{
  const auto& s = o.selection;
  return o.words.empty() && !s.all && s.families.empty() && s.search.empty() && s.tasks.size() <= 1 && o.sort == "grade" &&
         !o.requirements.any();
}

/// Only the recommended models, in their order (docs/grading.md, "Recommendation").
std::vector<ModelReport> recommended(std::vector<ModelReport> models, const Options& o)
{
  RecommendOptions options;
  options.task = o.selection.tasks.empty() ? "" : o.selection.tasks.front();
  options.limit = models.size();
  std::vector<ModelReport> list;
  for (const auto& r : recommend(models, options)) {
    auto& model = list.emplace_back(std::move(models[r.model]));
    model.notes.insert(model.notes.begin(), r.reason);
  }
  return list;
}

}  // namespace

RenderOptions render_options(const Options& o, const Environment& env, bool machine_answer)
{
  const bool to_stdout = o.output.empty() || o.output == "-";
  RenderOptions r;
  r.colour = (to_stdout || o.colour == ColourChoice::always) && use_colour(o.colour, env);
  r.unicode = use_unicode(env);
  r.plain = o.plain;
  r.explain = o.explain;
  r.verbose = o.verbose;
  r.quiet = o.quiet;
  r.machine_answer = machine_answer;
  r.width = env.width;
  r.for_each = on_all_cores;
  r.limit = o.limit > 0 ? o.limit : machine_answer && !o.plain && o.format == "table" ? k_rows_of_a_screen : 0;
  return r;
}

Report make_report(const Options& o, const HardwareProfile& hardware, std::vector<ModelReport> models)
{
  Report report;
  report.hardware = hardware;
  report.workload = o.question.workload;
  report.placement = o.question.placement;
  report.budget = o.question.budget;
  report.reserve = o.question.reserve;
  report.models = std::move(models);
  return report;
}

Result<int> emit_reports(Reports reports, const Options& o, const Environment& env, int status)
{
  if (!o.emit.empty()) return emit_row(reports, o, status);
  const auto renderer = make_renderer(o.format);
  if (!renderer) return tl::unexpected(renderer.error());
  const auto options = render_options(o, env, asks_for_advice(o));
  return emit([&](const Sink& sink) { (*renderer)->write(reports, options, sink); }, o, status);
}

Result<int> emit_report(const Report& report, const Options& o, const Environment& env, int status)
{
  return emit_reports({&report, 1}, o, env, status);
}

std::vector<CheckResult> check_all(const Report& report, const ModelSet& set, const Requirements& requirements,
                                   const Question& question)
{
  std::vector<CheckResult> checks;
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    const auto& subject = set.subjects[i];
    // The nearest change is searched among file types and placements of llama.cpp.
    if (loads_checkpoints(question.workload.runtime)) checks.push_back(check(report.models[i], requirements));
    else
      checks.push_back(check(report.models[i], requirements, question,
                             [&](const Question& q) { return evaluate(*subject.spec, subject.facts, report.hardware, q); }));
  }
  return checks;
}

bool all_pass(Reports reports)
{
  return std::ranges::all_of(reports, [](const Report& r) { return std::ranges::all_of(r.checks, &CheckResult::passed); });
}

Result<int> run_grade(const Options& o, const Environment& env)
{
  const bool checking = o.command == Command::check;
  if (!o.policy.empty()) return run_policy(o, env);
  if (checking && o.words.empty() && !o.selection.any()) {
    return fail(ErrorKind::invalid_argument, "check needs a model, as in `canirun check llama-3.1-8b --min-grade B`");
  }
  // The catalogue is read while the machine is examined.
  Result<Catalogue> catalogue;
  Result<std::vector<NamedMachine>> machines;
  LazyGpuTable table(env);
  on_all_cores(2, [&](std::size_t i) {
    if (i == 0) catalogue = catalogue_for(o.words, o.selection, env.data, o.catalogue_files);
    else machines = machines_of(o, env, table);
  });
  if (!catalogue) return tl::unexpected(catalogue.error());
  const auto set = models_of(o.words, o.selection, *catalogue);
  if (!set) return tl::unexpected(set.error());
  if (!machines) return tl::unexpected(machines.error());

  auto question = o.question;
  question.best_only = o.words.empty() && !o.all_quants;
  std::vector<Report> reports;
  for (auto& machine : *machines) {
    auto models = evaluate_all(set->subjects, machine.hardware, question);
    if (is_this_machine(o)) {
      const auto runs = load_runs(saved_runs_file(), machine.hardware);
      for (std::size_t i = 0; i < models.size(); ++i) apply_measured(models[i], *set->subjects[i].spec, runs);
    }
    auto& report = reports.emplace_back(make_report(o, machine.hardware, std::move(models)));
    report.machine = std::move(machine.name);
    if (checking || o.requirements.any()) report.checks = check_all(report, *set, o.requirements, o.question);
    if (!o.words.empty() && !checking) {
      for (std::size_t i = 0; i < report.models.size(); ++i)
        add_smallest_change(report.models[i], set->subjects[i], report.hardware, o.question);
    }
    if (!o.words.empty() && !checking) {
      for (auto& model : report.models) add_newer_version(model, *catalogue, report.hardware, o.question);
    }
    if (o.format == "html" && !o.words.empty() && machines->size() == 1 && !loads_checkpoints(question.workload.runtime)) {
      for (std::size_t i = 0; i < report.models.size(); ++i)
        if (report.models[i].n_ctx > 0)
          report.models[i].contexts = context_columns(*set->subjects[i].spec, report.models[i], report.hardware, question);
    }
    if (asks_for_advice(o) && machines->size() == 1) report.models = recommended(std::move(report.models), o);
    else if (o.words.empty()) sort_models(report.models, o.sort);
    if (o.limit > 0 && o.format != "table" && report.models.size() > o.limit) report.models.resize(o.limit);
  }
  return emit_reports(reports, o, env, all_pass(reports) ? k_done : k_not_met);
}

}  // namespace canirun
