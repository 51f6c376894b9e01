#pragma once

#include <string>

namespace canirun {

/// RFC 4180: quoted where needed. A cell that a spreadsheet would run as a formula gets an apostrophe before it.
std::string csv_cell(std::string text);

}  // namespace canirun
