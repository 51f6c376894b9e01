#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/file_type.hpp"
#include "canirun/core/model.hpp"
#include "canirun/core/result.hpp"
#include "canirun/core/units.hpp"

/// \file
/// Every weight tensor of a model file: its name, its shape, its layer and its ggml type. From here on a catalogue entry and a
/// GGUF file take one path.

namespace canirun {

/// Where llama.cpp keeps a weight (llama-arch.cpp: LLM_TENSOR_INFOS): input tensors stay on the host, repeating ones follow their
/// layer, output ones are offloaded first.
enum class TensorPlace : std::uint8_t { input, repeating, output };

/// What a tensor is called apart from its layer: "blk.3.attn_q.weight" is "attn_q.weight" of a block.
struct TensorRole {
  std::string before;     ///< "enc." or "dec." of a block in a model that has both, else nothing.
  std::string name;       ///< "attn_q.weight", "output_norm.weight".
  bool in_block = false;  ///< "blk.<layer>." stands between the two.
};

struct PlannedTensor {
  std::uint32_t role = 0;   ///< Index into TensorPlan::roles.
  std::uint32_t layer = 0;  ///< Of a repeating tensor.
  std::array<std::uint64_t, 4> ne{1, 1, 1, 1};
  TensorType type = TensorType::f32;
  TensorPlace place = TensorPlace::repeating;
  bool expert = false;             ///< A stack of experts (`*_exps`): what --cpu-moe keeps in RAM.
  bool loaded = true;              ///< false: in the file, skipped at load (MTP blocks).
  bool duplicated_output = false;  ///< A token embedding that also serves as the output matrix.
  bool every_layer = false;        ///< Rope factors: stored once on each device that has layers (TENSOR_DUPLICATED).
  bool lazy = false;               ///< per_layer_token_embd: plain CPU memory, apart from the pinned buffer.

  std::uint64_t n_elements() const { return ne[0] * ne[1] * ne[2] * ne[3]; }
  Bytes bytes() const { return {ne[1] * ne[2] * ne[3] * row_size(type, ne[0]).count}; }
};

struct TensorPlan {
  std::vector<PlannedTensor> tensors;
  std::vector<TensorRole> roles;  ///< Each tensor's name: layers repeat them.
  /// For each weight that the architecture asks for, in its order: index into `tensors`, or -1 for an optional one that is absent.
  /// Empty where no graph can be built: an architecture without one, or a file that lacks a tensor.
  std::vector<std::int32_t> slots;
  /// Where each layer's slots begin, then where the last one's end. Empty where the architecture has no plain loop over its layers.
  std::vector<std::uint32_t> layer_slots;
  /// Of each layer, a hash of all that its architecture did while it declared: equal ones are equal parts of the graph.
  std::vector<std::uint64_t> layer_kinds;

  std::string name(const PlannedTensor& t) const;  ///< "blk.3.attn_q.weight".
  const PlannedTensor* find(std::string_view name) const;

  Bytes total_bytes() const;       ///< Σ bytes of all tensors, as llama-quantize prints it.
  std::uint64_t n_params() const;  ///< Σ elements.
  BitsPerWeight bits_per_weight() const;
};

/// Releases of llama-quantize by their rules: a published file keeps the types of the release that made it. Each value names the last
/// day of its rules.
enum class QuantizeRules : std::uint8_t {
  until_2024_01_11,  ///< Q2_K is mostly 3-bit: feed-forward matrices are Q3_K (llama.cpp pulls 4872, 5060).
  until_2024_02_22,  ///< A token embedding that is also the output has the file's own type (pull 5650).
  until_2026_03_10,  ///< Fused attn_qkv has a mix of its own, attn_kv_b none; per_layer_token_embd is no output (pulls 19770, 20357).
  current,           ///< v0.5.0.
};

/// The rules in force in `month` ("2025-07"; of a month with a change, the earlier ones).
QuantizeRules rules_of_month(std::string_view month);

/// Mean over `n_params` weights; 0 for none.
BitsPerWeight bits_per_weight(Bytes bytes, std::uint64_t n_params);

struct QuantizeOptions {
  bool imatrix = false;  ///< Types chosen with an importance matrix differ for a few file types.
  QuantizeRules rules = QuantizeRules::current;
};

/// Why a model cannot be planned, in words for a person; nothing if it can.
std::optional<std::string> unplannable(const ModelSpec& model);

/// The tensors of `model` as llama-quantize writes them for `type`. For a model read from a GGUF file the file's own types stand
/// and `type` is ignored. Precondition: !unplannable(model).
/// Source: llama-quant.cpp, llama_tensor_get_type and the load_arch_tensors function of each architecture.
TensorPlan tensor_plan(const ModelSpec& model, FileType type, QuantizeOptions options = {});

/// The first of its two steps, for callers that want several file types of one model: names and shapes. The types of a catalogue
/// entry are not chosen yet (TypeChooser, src/core/quantize.hpp).
TensorPlan declare_tensors(const ModelSpec& model);

}  // namespace canirun
