#pragma once

#include <string_view>

namespace canirun {

/// The parts of the page that are the same in every report, compiled in (web.S). Style and glue are ours (web/); jQuery, DataTables
/// and Chart.js are Debian's packages libjs-jquery, libjs-jquery-datatables and libjs-chart.js, all MIT (docs/third-party.md).
std::string_view web_style();
std::string_view web_glue();
std::string_view web_jquery();
std::string_view web_datatables();
std::string_view web_chart();

}  // namespace canirun
