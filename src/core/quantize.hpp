#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "canirun/core/model.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "quantize_rules.hpp"

/// \file
/// Which ggml type each tensor of a file gets: convert_hf_to_gguf's rules for F32, F16 and BF16 files, llama-quantize's for the others.

namespace canirun {

/// What the choice depends on apart from the file type, worked out once for a model's tensors, so that a listing of many file types
/// pays for names and order only once.
class TypeChooser {
 public:
  TypeChooser(const ModelSpec& model, const TensorPlan& plan);

  /// Sets the type of each tensor; `tensors` are those of the plan, in the same order. Tables of integers keep their type.
  void apply(FileType type, QuantizeOptions options, std::span<PlannedTensor> tensors) const;
  /// Of a file of that type, without setting types.
  struct Sizes {
    Bytes all, loaded;  ///< Of all its tensors, and of those that a run loads.
  };
  Sizes sizes(FileType type, QuantizeOptions options) const;
  /// Whether a file of `type` has matrices of `tensor_type`.
  bool uses(FileType type, QuantizeOptions options, TensorType tensor_type) const;

  /// One number a tensor: equal ones get equal types.
  std::span<const std::uint32_t> sites() const { return site_of_; }

 private:
  struct Site {
    Category category = Category::other;
    Category category_2025 = Category::other;  ///< Until March 2026.
    bool per_layer_embd = false;               ///< Was no output until then.
    bool quantizable = false;
    bool always_f32 = false;     ///< Norms, vectors, routers: F32 in every converted file.
    bool native_expert = false;  ///< Published in MXFP4: converted files keep it.
    bool wide_expert = false;    ///< Becomes MXFP4 in an MXFP4_MOE file.
    bool integers = false;       ///< A table that is never quantised.
    Conditions conditions = 0;
    std::uint64_t n_columns = 0;
    friend bool operator==(const Site&, const Site&) = default;
  };

  std::vector<TensorType> types_of_sites(FileType type, QuantizeOptions options) const;
  TensorType type_at(const Site& site, FileType type, QuantizeOptions options) const;
  TensorType quantized_type(const Site& site, FileType type, QuantizeOptions options) const;

  struct Rows {
    std::uint64_t all = 0, loaded = 0;
  };
  std::vector<Site> sites_;             ///< Those that differ: tensors repeat from layer to layer.
  std::vector<Rows> rows_;              ///< Of all tensors of each site.
  std::vector<std::uint32_t> site_of_;  ///< Of each tensor.
  bool tied_ = true;                    ///< No output.weight: the token embedding is quantised as the output.
  bool grouped_70b_ = false;            ///< Llama-2-70B and its like give attn_v more bits.
};

/// Sets the ggml type of each tensor of `plan` as llama-quantize does for `type`.
/// Source: llama-quant.cpp (llama_model_quantize_impl), conversion/base.py (prepare_tensors) of llama.cpp v0.5.0.
void choose_tensor_types(const ModelSpec& model, FileType type, QuantizeOptions options, TensorPlan& plan);

}  // namespace canirun
