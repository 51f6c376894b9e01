#pragma once

#include "arch/builder.hpp"

/// \file
/// The functions of registry.cpp, one an architecture, by family file.

namespace canirun {

// llama.cpp
void build_llama(Builder& b);
// qwen.cpp
void build_qwen2(Builder& b);
void build_qwen3(Builder& b);
void build_qwen3moe(Builder& b);

}  // namespace canirun
