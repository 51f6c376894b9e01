#pragma once

#include <functional>

#include "arch/builder.hpp"

/// \file
/// The frame of RWKV models (rwkv6.cpp, rwkv7.cpp): each layer mixes over time, then over channels, both from its input and the same
/// shifted by one token. The state keeps the last token of each.

namespace canirun {

/// From the normed input and its shifted copy, [n_embd, n_seq_tokens, n_seqs] each, to what is added to the stream.
using TimeMix = std::function<Ref(const RecurrentInput& rs, Ref cur, Ref prev, std::uint32_t il)>;
/// The same of matrices [n_embd, n_tokens].
using ChannelMix = std::function<Ref(Ref cur, Ref prev, std::uint32_t il)>;

/// The whole model. A file's rescale_every_n_layers adds a scale in place to some layers, which takes no memory and is left out.
void rwkv_model(Builder& b, const TimeMix& time_mix, const ChannelMix& channel_mix);

/// Qwen with its attention replaced: one token shift a layer, RMS norms, and Qwen's feed-forward part.
void rwkv_qwen_model(Builder& b, const TimeMix& time_mix);

}  // namespace canirun
