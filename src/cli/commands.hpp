#pragma once

#include "canirun/core/report.hpp"
#include "canirun/render/renderer.hpp"
#include "environment.hpp"
#include "models.hpp"
#include "options.hpp"

/// \file
/// One function a command: Options in, exit status out. Errors become a sentence in `main`.

namespace canirun {

/// Exit statuses (docs/usage.md).
inline constexpr int k_done = 0;
inline constexpr int k_not_met = 1;
inline constexpr int k_wrong_question = 2;
inline constexpr int k_cannot = 3;

Result<int> run_grade(const Options& options, const Environment& env);   ///< Also `check`.
Result<int> run_policy(const Options& options, const Environment& env);  ///< `check --policy`.
Result<int> run_plan(const Options& options, const Environment& env);
Result<int> run_probe(const Options& options, const Environment& env);
Result<int> run_fleet(const Options& options, const Environment& env);
Result<int> run_models(const Options& options, const Environment& env);
Result<int> run_gpus(const Options& options, const Environment& env);
Result<int> run_doctor(const Options& options, const Environment& env);
Result<int> run_completion(const Options& options);
Result<int> run_verify(const Options& options, const Environment& env);

/// "canirun 1.2.3", and lines with how it was built: compiler, libraries, commit where it is known.
std::string version_text();

/// A report of these models with what the options ask.
Report make_report(const Options& options, const HardwareProfile& hardware, std::vector<ModelReport> models);
/// How the options and the terminal want text to look; `machine_answer`: it is the list of this machine.
RenderOptions render_options(const Options& options, const Environment& env, bool machine_answer);
/// The report, or one for each machine, in the format of the options.
Result<int> emit_report(const Report& report, const Options& options, const Environment& env, int status);
Result<int> emit_reports(Reports reports, const Options& options, const Environment& env, int status);

/// The verdict over each model of a report, with the nearest change that would pass; `set` has the models in the same order.
std::vector<CheckResult> check_all(const Report& report, const ModelSet& set, const Requirements& requirements,
                                   const Question& question);
/// True when nothing that was required is missing.
bool all_pass(Reports reports);

/// Text to -o or stdout; a failure has kind `unavailable`, which is exit 3.
Result<int> emit(const std::string& text, const Options& options, int status = k_done);
/// Text that `write` hands on piece by piece.
Result<int> emit(const std::function<void(const Sink&)>& write, const Options& options, int status);

}  // namespace canirun
