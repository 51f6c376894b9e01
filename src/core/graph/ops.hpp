#pragma once

#include <initializer_list>

#include "canirun/core/fnv1a.hpp"
#include "graph/graph.hpp"

/// \file
/// The tensor operations of ggml as thin functions that record shapes, strides, views and sources, nothing else. Names, argument order
/// and result shapes are those of ggml.c (ggml_mul_mat → mul_mat), except that `ctx` is implied and numeric parameters that change no
/// shape (scales, epsilons, rope frequencies) are left out.
///
/// Without a graph (declare mode) every operation only adds itself to a hash and returns a token Ref, so that one function can both
/// declare the weights of a model and record its graph.

namespace canirun {

using Shape = std::array<std::uint64_t, 4>;

class GraphOps {
 public:
  explicit GraphOps(Graph* graph) : graph_(graph) {}

  bool recording() const { return graph_ != nullptr; }
  /// The tensor behind a Ref; in declare mode a placeholder of one element.
  const GraphTensor& at(Ref r) const;

  // --- Leaves ------------------------------------------------------------------------------------------------------------------
  /// A new input of the graph (ggml_new_tensor + ggml_set_input).
  Ref input(TensorType type, std::uint64_t ne0, std::uint64_t ne1 = 1, std::uint64_t ne2 = 1, std::uint64_t ne3 = 1);
  /// A tensor in a buffer of its own: weight, cache or state of `layer`.
  Ref leaf(Leaf kind, TensorType type, const Shape& ne, std::int32_t layer, std::int32_t weight = -1);

  // --- Order and marks ---------------------------------------------------------------------------------------------------------
  void expand(Ref root);   ///< ggml_build_forward_expand
  void set_output(Ref r);  ///< ggml_set_output
  void tag(Ref r, NodeTag tag, std::uint32_t layer);
  void prec_src_f32(Ref r);  ///< ggml_prec_set_src(GGML_PREC_F32): some backends refuse the node.

  // --- Element by element, same shape as `a` -------------------------------------------------------------------------------------
  Ref add(Ref a, Ref b);
  Ref add_inplace(Ref a, Ref b);
  Ref sub(Ref a, Ref b);
  Ref mul(Ref a, Ref b);
  Ref div(Ref a, Ref b);
  Ref add1(Ref a, Ref b);
  Ref add_id(Ref a, Ref b, Ref ids);
  Ref scale(Ref a);
  Ref scale_inplace(Ref a);
  Ref sqr(Ref a);
  Ref sqrt(Ref a);
  Ref log(Ref a);
  Ref sin(Ref a);
  Ref cos(Ref a);
  Ref clamp(Ref a);
  Ref unary(Ref a);  ///< silu, gelu, relu, tanh, sigmoid, exp, softplus, neg, …
  Ref silu(Ref a) { return unary(a); }
  Ref gelu(Ref a) { return unary(a); }
  Ref relu(Ref a) { return unary(a); }
  Ref tanh(Ref a) { return unary(a); }
  Ref sigmoid(Ref a) { return unary(a); }
  Ref softplus(Ref a) { return unary(a); }
  Ref exp(Ref a) { return unary(a); }
  Ref neg(Ref a) { return unary(a); }
  Ref norm(Ref a);
  Ref rms_norm(Ref a);
  Ref group_norm(Ref a);
  Ref l2_norm(Ref a);
  Ref soft_max(Ref a, Ref mask = {}, Ref sinks = {});
  Ref rope(Ref a, Ref pos, Ref freq_factors = {});
  Ref cumsum(Ref a);
  Ref fill(Ref a);
  Ref tri(Ref a);
  Ref roll(Ref a);
  Ref diag_mask_inf(Ref a);

  // --- Gated units -----------------------------------------------------------------------------------------------------------------
  Ref glu(Ref a);               ///< swiglu, geglu, reglu of one tensor: half of its width.
  Ref glu_split(Ref a, Ref b);  ///< The same of two tensors: the shape of `a`.

  // --- Products, sums, selections --------------------------------------------------------------------------------------------------
  Ref mul_mat(Ref a, Ref b);               ///< [a.ne1, b.ne1, b.ne2, b.ne3], f32
  Ref mul_mat_id(Ref as, Ref b, Ref ids);  ///< [as.ne1, ids.ne0, b.ne2], f32
  Ref out_prod(Ref a, Ref b);
  Ref sum_rows(Ref a);
  Ref mean(Ref a);
  Ref repeat(Ref a, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t ne2 = 1, std::uint64_t ne3 = 1);
  Ref repeat_like(Ref a, Ref b);
  Ref concat(Ref a, Ref b, int dim);
  Ref pad(Ref a, std::uint64_t p0, std::uint64_t p1 = 0, std::uint64_t p2 = 0, std::uint64_t p3 = 0);
  Ref get_rows(Ref a, Ref rows);
  Ref set_rows(Ref a, Ref b, Ref rows);  ///< A view of `a`.
  Ref argsort(Ref a);
  Ref argsort_top_k(Ref a, std::uint64_t k);
  Ref top_k(Ref a, std::uint64_t k);
  Ref diag(Ref a);
  Ref arange(std::uint64_t n);
  Ref solve_tri(Ref a, Ref b);
  /// `n_tokens` columns of a 1-D convolution: ggml_im2col, not 2-D.
  Ref im2col_1d(Ref kernel, Ref data, std::uint64_t stride, std::uint64_t padding, std::uint64_t dilation);

  // --- Layout ----------------------------------------------------------------------------------------------------------------------
  Ref reshape(Ref a, std::uint64_t ne0, std::uint64_t ne1 = 1, std::uint64_t ne2 = 1, std::uint64_t ne3 = 1);
  Ref view_1d(Ref a, std::uint64_t ne0, std::uint64_t offset);
  Ref view_2d(Ref a, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t nb1, std::uint64_t offset);
  Ref view_3d(Ref a, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t ne2, std::uint64_t nb1, std::uint64_t nb2,
              std::uint64_t offset);
  Ref view_4d(Ref a, const Shape& ne, std::uint64_t nb1, std::uint64_t nb2, std::uint64_t nb3, std::uint64_t offset);
  /// Axis i of `a` becomes axis `axes[i]` of the result.
  Ref permute(Ref a, int axis0, int axis1, int axis2, int axis3);
  Ref transpose(Ref a);
  Ref cont(Ref a);
  Ref cont(Ref a, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t ne2 = 1, std::uint64_t ne3 = 1);
  Ref dup(Ref a);
  Ref cast(Ref a, TensorType type);
  Ref cpy(Ref a, Ref b);  ///< A view of `b`.

  // --- Attention and recurrences -----------------------------------------------------------------------------------------------------
  Ref flash_attn_ext(Ref q, Ref k, Ref v, Ref mask, Ref sinks = {});
  Ref ssm_conv(Ref sx, Ref kernel);
  Ref ssm_scan(Ref s, Ref x, Ref dt, Ref a, Ref b, Ref c, Ref ids, std::uint64_t n_snapshots = 1);
  Ref rwkv_wkv6(Ref k, Ref v, Ref r, Ref tf, Ref td, Ref state);
  Ref rwkv_wkv7(Ref r, Ref w, Ref k, Ref v, Ref a, Ref b, Ref state);
  Ref gated_linear_attn(Ref k, Ref v, Ref q, Ref g, Ref state);
  Ref gated_delta_net(Ref q, Ref k, Ref v, Ref g, Ref beta, Ref state, std::uint64_t n_snapshots = 1);
  Ref lightning_indexer(Ref q, Ref k, Ref weights, Ref mask);
  /// Any other operation: the result's type and shape are given.
  Ref custom(Op op, TensorType type, const Shape& ne, std::initializer_list<Ref> src);

 protected:
  Graph* graph_;

  /// Adds to the hash of what was declared.
  void note(std::uint64_t value) { trace_.add(value); }
  Fnv1a trace_;

 private:
  Ref declared(Op op, const Shape& ne);
  Ref make(Op op, TensorType type, const Shape& ne, std::initializer_list<Ref> src);
  Ref like(Op op, Ref a, std::initializer_list<Ref> src);
  Ref alias(Op op, Ref a, std::initializer_list<Ref> src);
  Ref view_of(Op op, Ref a, const Shape& ne, const Shape& nb, std::uint64_t offset);
};

std::uint64_t n_elements(const GraphTensor& t);
bool is_contiguous(const GraphTensor& t);

}  // namespace canirun
