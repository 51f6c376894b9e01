#pragma once

#include <string>
#include <string_view>

namespace canirun {

/// RFC 4180: quoted where needed. A cell that a spreadsheet would run as a formula gets an apostrophe before it.
std::string csv_cell(std::string_view text);

}  // namespace canirun
