#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "canirun/core/workload.hpp"

/// \file
/// How the weights of a Hugging Face checkpoint are stored, as vLLM, transformers and diffusers load them: the quantisations of
/// these runtimes.

namespace canirun {

enum class CheckpointType : std::uint8_t { awq, gptq, mxfp4, fp8, bf16, nf4, int8, f16, f32 };

/// "BF16", "FP8", "AWQ", "GPTQ", "MXFP4", "NF4", "INT8", "F16", "F32".
std::string_view name(CheckpointType type);
/// By name, case ignored.
std::optional<CheckpointType> parse_checkpoint_type(std::string_view name);
/// What a runtime loads, fewest bits first; nothing where it loads GGUF files.
std::span<const CheckpointType> checkpoint_types(Runtime runtime);
inline bool loads_checkpoints(Runtime runtime) { return !checkpoint_types(runtime).empty(); }

}  // namespace canirun
