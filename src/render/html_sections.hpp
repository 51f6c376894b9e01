#pragma once

#include <string>
#include <string_view>

#include "canirun/render/renderer.hpp"

/// \file
/// The parts of the page; each appends its markup to `out`.

namespace canirun {

/// A whole page, self-contained: title, a paragraph that leads in (both plain text), content that ends with html_charts.
std::string html_page(std::string_view title, std::string_view lead, std::string_view content);

void html_machine(std::string& out, const Report& report);
/// What was required and what was found; nothing where nothing was.
void html_checks(std::string& out, Reports reports);
/// One model on one machine: the best pick, a row a quantisation, the heat map.
void html_model(std::string& out, const ModelReport& model);
/// The models of one machine, each at its best quantisation.
void html_list(std::string& out, const Report& report);
/// Machines side by side: a row a model, or a quantisation of a single one.
void html_comparison(std::string& out, Reports reports);
/// Grades of one model by context and quantisation; nothing where the report has none.
void html_heat_map(std::string& out, const ModelReport& model);
/// Memory per device as stacked bars, and the data that the script draws.
void html_charts(std::string& out, Reports reports);

}  // namespace canirun
