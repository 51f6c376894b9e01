#pragma once

#include "canirun/render/renderer.hpp"

/// \file
/// One function a format; `make_renderer` finds them by name.

namespace canirun {

std::string render_table(const Report& report, const RenderOptions& options);
std::string render_plain(const Report& report, const RenderOptions& options);
std::string render_json(const Report& report, const RenderOptions& options);
std::string render_ndjson(const Report& report, const RenderOptions& options);
std::string render_csv(const Report& report, const RenderOptions& options);
std::string render_markdown(const Report& report, const RenderOptions& options);
std::string render_junit(const Report& report, const RenderOptions& options);
std::string render_github(const Report& report, const RenderOptions& options);
std::string render_gitlab(const Report& report, const RenderOptions& options);
std::string render_prometheus(const Report& report, const RenderOptions& options);

/// One model in full: machine, a row per quantisation, the best pick and the command that runs it.
std::string render_model(const Report& report, const ModelReport& model, const RenderOptions& options);
/// Many models, one line each.
std::string render_ranking(const Report& report, const RenderOptions& options);
/// Each part of memory with its figures, the grade's thresholds, where the machine's figures come from.
std::string render_explanation(const Report& report, const ModelReport& model, const RenderOptions& options);
/// One line for each requirement of `check`.
std::string render_checks(const Report& report, const RenderOptions& options);

}  // namespace canirun
