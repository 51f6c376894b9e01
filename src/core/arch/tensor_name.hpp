#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "canirun/core/tensor_plan.hpp"

/// \file
/// What the name of a tensor says (llama-arch.cpp: LLM_TENSOR_NAMES).

namespace canirun {

/// Instead of a layer number: tensors outside the blocks.
inline constexpr std::uint32_t k_global = UINT32_MAX;

/// "blk.3.attn_q.weight" of a role and 3.
std::string full_name(const TensorRole& role, std::uint32_t layer);

/// The role of what an architecture calls `name` and `suffix` ("attn_q", ".weight"). A name that begins with "enc." or "dec." is of a
/// block there.
TensorRole role_of(std::string_view name, std::string_view suffix, bool in_block);

/// A hash of the two, the same for every layer.
std::uint64_t hash_of(std::string_view name, std::string_view suffix);

/// A stack of experts (common.h: LLM_FFN_EXPS_REGEX). `name`: without its layer.
bool is_expert(std::string_view name);

/// Place and kind of a tensor by its role; shape, layer and type are left to the caller.
PlannedTensor describe(const TensorRole& role, std::string_view arch);

/// Appends tensors to a plan by their names: those of a file.
class NamedTensors {
 public:
  NamedTensors(TensorPlan& plan, std::string_view arch);
  PlannedTensor& append(std::string_view name);

 private:
  TensorPlan& plan_;
  std::string_view arch_;
  std::unordered_map<std::string, std::uint32_t> roles_;
};

}  // namespace canirun
