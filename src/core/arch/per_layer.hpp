#pragma once

#include "arch/builder.hpp"

/// \file
/// What Gemma 3n and Gemma 4 share: inputs of their own for every layer, and layers that read an earlier layer's cache.

namespace canirun {

/// The inputs of all layers, [n_embd_per_layer, n_tokens, n_layer]: a second embedding, mixed with a projection of the first.
Ref per_layer_inputs(Builder& b, Ref embd);

/// Slice `i` of the third axis: [ne0, ne1].
Ref slice(Builder& b, Ref x, std::uint64_t i);

/// The layer whose cache layer `il` reads: itself, or the last one of its kind that has one (llama-model.cpp: create_memory).
std::int32_t cache_layer(const ModelSpec& m, std::uint32_t il);
bool has_own_cache(const ModelSpec& m, std::uint32_t il);

}  // namespace canirun
