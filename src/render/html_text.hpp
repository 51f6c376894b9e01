#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "canirun/core/grade.hpp"
#include "canirun/core/units.hpp"

/// \file
/// Pieces of a page.

namespace canirun {

/// JSON inside a <script>: no "</script>" in a name can end it early.
std::string json_for_script(const nlohmann::json& value);
/// A letter in its box; the colour only repeats it.
std::string grade_mark(Letter letter);
/// "12.0": GiB with one decimal.
std::string gib_text(Bytes bytes);

}  // namespace canirun
