#pragma once

#include "canirun/core/result.hpp"
#include "gguf_header.hpp"

namespace canirun {

/// The model that a header describes; `header.tensors` moves into it. An architecture that llama.cpp does not know keeps its tensors
/// and what the common keys say, unchecked. Errors: parse, with file and key.
Result<ModelSpec> spec_from_gguf(GgufHeader header, std::string_view file);

}  // namespace canirun
