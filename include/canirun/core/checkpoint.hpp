#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

/// \file
/// How the weights of a Hugging Face checkpoint are stored, as vLLM loads them: the quantisations of `--runtime vllm`.

namespace canirun {

enum class CheckpointType : std::uint8_t { awq, gptq, mxfp4, fp8, bf16 };

/// "BF16", "FP8", "AWQ", "GPTQ", "MXFP4".
std::string_view name(CheckpointType type);
/// By name, case ignored.
std::optional<CheckpointType> parse_checkpoint_type(std::string_view name);
/// All of them, fewest bits first.
std::span<const CheckpointType> all_checkpoint_types();

}  // namespace canirun
