#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "canirun/core/model.hpp"

/// \file
/// What llama.cpp decides by the name of an architecture rather than by a key of the file: which layers slide, which are recurrent
/// and how. Source: llama.cpp v0.5.0, src/llama-arch.cpp and load_arch_hparams of each src/models/*.cpp.

namespace canirun {

/// True for a value of `general.architecture` that llama.cpp knows.
bool known_architecture(std::string_view arch);

/// Sliding windows of an architecture. None: `applies` is false, whatever the file says (llama, phi3, starcoder2 …).
struct SwaRule {
  std::string_view arch;
  std::uint32_t pattern = 0;         ///< Every n-th layer is global when the file has no list; 0 = only a list tells.
  bool dense_first = false;          ///< The first of each group is global instead of the last.
  std::uint32_t default_window = 0;  ///< Without a key; 0 = no window then.
  std::uint32_t fixed_window = 0;    ///< Whatever the key says, if it is not 0.
  bool chunked = false;
};
const SwaRule* swa_rule(std::string_view arch);

/// Layers `il` of the pattern of a rule: true = sliding (llama-hparams.cpp: set_swa_pattern).
std::vector<bool> swa_pattern(std::uint32_t n_layer, std::uint32_t pattern, bool dense_first);

/// How an architecture tells its recurrent layers.
enum class RecurrentRule { none, all, no_kv_heads, no_kv_heads_no_ff, interval };
struct RecurrentArch {
  std::string_view arch;
  RecurrentRule rule = RecurrentRule::none;
  SsmKind kind = SsmKind::none;
  std::uint32_t interval = 0;  ///< RecurrentRule::interval: every n-th layer has attention, unless the file has a list.
};
const RecurrentArch* recurrent_arch(std::string_view arch);

/// True for models of text whose attention is bidirectional although their files do not say so (diffusion models).
bool never_causal(std::string_view arch);
/// True for models that make vectors, not text.
bool is_embedding_arch(std::string_view arch);
/// True where feed-forward and attention read the same input.
bool always_parallel_residual(std::string_view arch);

}  // namespace canirun
