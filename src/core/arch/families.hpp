#pragma once

#include "arch/builder.hpp"

/// \file
/// The functions of registry.cpp, one an architecture, by family file.

namespace canirun {

// gemma.cpp
void build_gemma(Builder& b);
void build_gemma2(Builder& b);
void build_gemma3(Builder& b);
void build_gemma_embedding(Builder& b);
// llama.cpp
void build_llama(Builder& b);
// phi3.cpp
void build_phi3(Builder& b);
// qwen.cpp
void build_qwen2(Builder& b);
void build_qwen3(Builder& b);
void build_qwen3moe(Builder& b);

}  // namespace canirun
