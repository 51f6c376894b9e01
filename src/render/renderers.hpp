#pragma once

#include "canirun/render/renderer.hpp"

/// \file
/// One function a format; `make_renderer` finds them by name. Those that may be long hand their text on piece by piece.

namespace canirun {

std::string render_table(Reports reports, const RenderOptions& options);
std::string render_plain(Reports reports, const RenderOptions& options);
void write_json(Reports reports, const RenderOptions& options, const Sink& sink);
void write_ndjson(Reports reports, const RenderOptions& options, const Sink& sink);
std::string render_csv(Reports reports, const RenderOptions& options);
std::string render_markdown(Reports reports, const RenderOptions& options);
std::string render_junit(Reports reports, const RenderOptions& options);
std::string render_github(Reports reports, const RenderOptions& options);
std::string render_gitlab(Reports reports, const RenderOptions& options);
std::string render_prometheus(Reports reports, const RenderOptions& options);
std::string render_nfd(Reports reports, const RenderOptions& options);
std::string render_slurm(Reports reports, const RenderOptions& options);

/// One model in full: machine, a row per quantisation, the best pick and the command that runs it.
std::string render_model(const Report& report, const ModelReport& model, const RenderOptions& options);
/// Many models, one line each.
std::string render_ranking(const Report& report, const RenderOptions& options);
/// Each part of memory with its figures, the grade's thresholds, where the machine's figures come from.
std::string render_explanation(const Report& report, const ModelReport& model, const RenderOptions& options);
/// One line for each model that passes and for each requirement that is not met.
std::string render_checks(Reports reports, const RenderOptions& options);
/// Machines side by side: a line for each model, or for each quantisation of a single one.
std::string render_comparison(Reports reports, const RenderOptions& options);

}  // namespace canirun
