#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "canirun/core/tensor_plan.hpp"

/// \file
/// What the name of a tensor says (llama-arch.cpp: LLM_TENSOR_NAMES).

namespace canirun {

/// Instead of a layer number: tensors outside the blocks.
inline constexpr std::uint32_t k_global = UINT32_MAX;

/// "blk.3.attn_q.weight" of "attn_q", ".weight" and 3. A name that begins with "enc." or "dec." keeps that in front. Name and suffix are an
/// architecture's own: shorter than 96 characters together.
std::string full_name(std::string_view name, std::string_view suffix, std::uint32_t il);

/// PlannedTensor::role of a name that is put together so.
std::uint64_t role_of(std::string_view name, std::string_view suffix);

/// A stack of experts (common.h: LLM_FFN_EXPS_REGEX). `name`: without its layer.
bool is_expert(std::string_view name);

/// Layer, place and kind of a tensor by its name; shape and type are left to the caller.
PlannedTensor describe_tensor(std::string_view name, std::string_view arch);

}  // namespace canirun
