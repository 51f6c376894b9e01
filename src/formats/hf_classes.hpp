#pragma once

#include <string_view>

namespace canirun {

/// llama.cpp's architecture for a class of the transformers library ("LlamaForCausalLM" → "llama"); "" when it has none.
std::string_view arch_of_hf_class(std::string_view name);

}  // namespace canirun
