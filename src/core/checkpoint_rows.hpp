#pragma once

#include <optional>
#include <string>
#include <vector>

#include "canirun/core/evaluate.hpp"

/// \file
/// Rows of runtimes that load checkpoints of text models: which types a model has, what a row is named after, the best of them.

namespace canirun {

/// Types of the listing, fewest bits first: those that were asked for, else all of `defaults` that the model has. MXFP4 is for models
/// that were published in it, and nothing else is for them.
std::vector<CheckpointType> checkpoint_rows(const ModelSpec& model, const Question& question,
                                            std::span<const CheckpointType> defaults);

/// A row with its type, names and sizes; `bytes` of the whole checkpoint.
QuantReport checkpoint_row(const ModelSpec& model, const ModelFacts& facts, CheckpointType type, Bytes bytes, BitsPerWeight bits);
/// The same for one that does not run anywhere: an F with the reason.
QuantReport refused_checkpoint(QuantReport row, const ModelSpec& model, const std::string& why);

/// Why a runtime of checkpoints cannot take the model or the settings at all: GGUF files, placements and caches of llama.cpp, models
/// without a repository. `program`: as a sentence names it.
std::optional<std::string> checkpoint_refuses(const ModelSpec& model, const ModelFacts& facts, const Question& question,
                                              const std::string& program);

/// `best`, `grade` and, with best_only, that row alone.
void choose_checkpoint(ModelReport& report, const Question& question);

}  // namespace canirun
