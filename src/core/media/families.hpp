#pragma once

#include <cstdint>

#include "media/denoiser.hpp"

/// \file
/// Diffusion transformers whose blocks are not those of transformer.cpp, one file each. `n_patch` numbers of each of `n_tokens` tokens
/// go in and out.

namespace canirun {

/// HiDream I1: experts in the image's feed-forward parts, and another layer of the language model for each block (hidream.cpp).
void build_hidream(Net& net, const DenoiserSpec& shape, std::uint64_t n_tokens, std::uint64_t n_patch);

/// LTX-2: a stream of video and one of sound that see each other in every block (ltx2.cpp). `n_frames` of pixels.
void build_ltx2(Net& net, const DenoiserSpec& shape, std::uint64_t n_tokens, std::uint64_t n_patch, std::uint64_t n_frames);

/// Mochi: a narrower stream of text beside the image's (mochi.cpp).
void build_mochi(Net& net, const DenoiserSpec& shape, std::uint64_t n_tokens, std::uint64_t n_patch);

}  // namespace canirun
