#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "canirun/core/tensor_type.hpp"

/// \file
/// The compute graph of one micro-batch, as shapes and dependencies only. Architectures build it (arch/), the scheduler assigns
/// backends (schedule.hpp), the allocator finds the buffer sizes (allocate.hpp). Nothing is ever computed.

namespace canirun {

/// Operations, named as ggml's (ggml.h: enum ggml_op) because their rules are ggml's; `unary` and `glu` stand for all of their kind.
enum class Op : std::uint8_t {
  none,
  dup,
  add,
  add_id,
  add1,
  acc,
  sub,
  mul,
  div,
  sqr,
  sqrt,
  log,
  sin,
  cos,
  sum,
  sum_rows,
  cumsum,
  mean,
  argmax,
  repeat,
  concat,
  norm,
  rms_norm,
  group_norm,
  l2_norm,
  mul_mat,
  mul_mat_id,
  out_prod,
  scale,
  set,
  cpy,
  cont,
  reshape,
  view,
  permute,
  transpose,
  get_rows,
  set_rows,
  diag,
  diag_mask_inf,
  soft_max,
  rope,
  clamp,
  im2col,
  conv_2d,
  pool_1d,
  pool_2d,
  pad,
  roll,
  arange,
  argsort,
  top_k,
  leaky_relu,
  tri,
  fill,
  flash_attn_ext,
  ssm_conv,
  ssm_scan,
  rwkv_wkv6,
  rwkv_wkv7,
  gated_linear_attn,
  solve_tri,
  gated_delta_net,
  lightning_indexer,
  dsv4_hc_comb,
  dsv4_hc_pre,
  dsv4_hc_post,
  unary,
  glu,
};

/// What a leaf (a tensor that no operation makes) is. Weights, caches and states live in buffers of their own; inputs are
/// allocated with the graph.
enum class Leaf : std::uint8_t { none, input, weight, kv_cache, recurrent_state };

/// Names that llama.cpp's graph callback treats specially (llama-context.cpp: graph_get_cb), and nodes that the graph puts on the CPU
/// (the attention's output with --no-kv-offload and without flash attention: llama-graph.cpp, build_attn_mha).
enum class NodeTag : std::uint8_t { none, norm, l_last, flash_attn, on_cpu, fused };

/// Index of a tensor in its graph; `Ref{}` is "no such tensor" (an optional weight that is absent).
struct Ref {
  std::int32_t id = -1;
  explicit operator bool() const { return id >= 0; }
  friend bool operator==(Ref, Ref) = default;
};

struct GraphTensor {
  Op op = Op::none;
  Leaf leaf = Leaf::none;
  NodeTag tag = NodeTag::none;
  TensorType type = TensorType::f32;
  bool is_input = false;   ///< GGML_TENSOR_FLAG_INPUT: allocated first, never overwritten.
  bool is_output = false;  ///< GGML_TENSOR_FLAG_OUTPUT: never freed, never reused in place.
  bool prec_f32 = false;   ///< A precision request that some backends refuse.
  /// Of a tagged node: `il` of the callback. Of a weight, cache or state: the layer whose device holds it; -1 for input tensors (the
  /// host) and n_layer + n_layer_nextn for output tensors, which includes a tied embedding's second copy.
  std::int16_t layer = -1;
  std::int32_t view_src = -1;  ///< Root tensor whose memory a view shares.
  std::uint64_t view_offs = 0;
  std::array<std::uint64_t, 4> ne{1, 1, 1, 1};
  std::array<std::uint64_t, 4> nb{0, 0, 0, 0};  ///< Strides in bytes.
  std::array<std::int32_t, 10> src{-1, -1, -1, -1, -1,
                                   -1, -1, -1, -1, -1};  ///< −1 = none, as for an optional one that is absent.
  std::int32_t weight = -1;                              ///< Of a weight: index into TensorPlan::tensors.
  std::uint8_t n_src = 0;                                ///< No source from here on.

  void set_src(std::size_t i, std::int32_t id)
  {
    src[i] = id;
    n_src = std::max(n_src, static_cast<std::uint8_t>(i + 1));
  }
  std::span<const std::int32_t> sources() const { return {src.data(), n_src}; }
  std::span<std::int32_t> sources() { return {src.data(), n_src}; }
};

/// Tensors in the order they were made; `nodes` is the order of execution (post-order, as ggml_build_forward_expand leaves it).
class Graph {
 public:
  std::vector<GraphTensor> tensors;
  std::vector<std::int32_t> nodes;
  std::vector<std::int32_t> leafs;
  std::vector<std::int32_t> layer_begin;  ///< Of each layer that was built: its first tensor; then the first one after the last.

  const GraphTensor& operator[](Ref r) const { return tensors[static_cast<std::size_t>(r.id)]; }
  GraphTensor& operator[](Ref r) { return tensors[static_cast<std::size_t>(r.id)]; }

  /// Appends a tensor that the caller fills; the reference holds until the next one.
  GraphTensor& append() { return tensors.emplace_back(); }
  Ref last() const { return {static_cast<std::int32_t>(tensors.size()) - 1}; }
  /// Empty again, its memory kept: a program that builds hundreds of graphs should keep one for each thread.
  void clear();
  /// Appends `root` and what it depends on, in ggml's visiting order (sources left to right, depth first).
  void build_forward_expand(Ref root);

 private:
  struct Frame {
    std::int32_t id;
    std::uint32_t next;
  };
  std::vector<std::uint8_t> visited_;
  std::vector<Frame> stack_;
};

/// ggml_nbytes: span in memory of a tensor with its strides.
std::uint64_t n_bytes(const GraphTensor& t);

}  // namespace canirun
