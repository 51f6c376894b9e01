#pragma once

#include "canirun/core/result.hpp"
#include "canirun/render/renderer.hpp"
#include "options.hpp"

namespace canirun {

/// What --emit prints: the best row of the report's only model, for one target. `status` other than 0 (a requirement is not met)
/// and a row that does not fit give a sentence on stderr and exit status 1, and nothing is written.
Result<int> emit_row(Reports reports, const Options& options, int status);

}  // namespace canirun
