#include "graph/backend_support.hpp"

#include "graph/ops.hpp"

namespace canirun {
namespace {

bool dim01_contiguous(const GraphTensor& t)
{
  const auto& block = traits(t.type);
  return t.nb[0] == block.block_bytes && t.nb[1] == t.nb[0] * t.ne[0] / block.block_weights &&
         (t.ne[3] == 1 || t.nb[3] == t.nb[2] * t.ne[2]);
}

}  // namespace

bool vulkan_supports(Tensors tensors, const GraphTensor& t)
{
  const auto fits = [](const GraphTensor& x) { return n_bytes(x) <= k_vulkan_max_range; };
  if (!fits(t)) return false;
  for (const auto src : t.sources()) {
    if (src >= 0 && !fits(tensors[static_cast<std::size_t>(src)])) return false;
  }
  const auto* a = source(tensors, t, 0);
  const auto* b = source(tensors, t, 1);
  switch (t.op) {
    case Op::unary: return is_float(a->type) && a->type == t.type;
    case Op::mul_mat:
    case Op::mul_mat_id: {
      if (t.op == Op::mul_mat_id && t.prec_f32) return false;
      if (!supports_matrix(Backend::vulkan, a->type)) return false;
      const auto* batched = t.op == Op::mul_mat ? a : source(tensors, t, 2);
      if (batched->ne[3] != b->ne[3]) return false;
      const bool a_ok = dim01_contiguous(*a) || is_float(a->type) || a->type == TensorType::bf16;
      const bool b_ok = dim01_contiguous(*b) || is_float(b->type);
      return a_ok && b_ok && !(a->type == TensorType::bf16 && b->type == TensorType::f16);
    }
    case Op::flash_attn_ext: {
      const auto* v = source(tensors, t, 2);
      const auto* mask = source(tensors, t, 3);
      if (b->ne[0] % 8 != 0 || v->ne[0] % 8 != 0 || a->type != TensorType::f32) return false;
      if (mask && mask->type != TensorType::f16) return false;
      return is_cache_type(b->type) && is_cache_type(v->type) && (b->type == TensorType::bf16) == (v->type == TensorType::bf16);
    }
    case Op::ssm_scan: {
      const auto* decay = source(tensors, t, 3);
      if (decay->nb[1] != 4) return false;  // mamba1
      return (a->ne[0] == 128 || a->ne[0] == 256) && a->ne[1] % 16 == 0;
    }
    case Op::gated_delta_net: {
      const auto width = source(tensors, t, 2)->ne[0];
      return width == 16 || width == 32 || width == 64 || width == 128;
    }
    case Op::gated_linear_attn: return a->ne[0] == 64;
    case Op::scale:
    case Op::diag_mask_inf: return is_contiguous(*a) && a->type == TensorType::f32;
    case Op::soft_max: return is_contiguous(*a) && a->type == TensorType::f32;
    case Op::sum_rows:
    case Op::mean:
    case Op::sum:
    case Op::cumsum: return a->type == TensorType::f32 && contiguous_rows(*a);
    case Op::argsort:
    case Op::top_k: return is_contiguous(*a);
    case Op::lightning_indexer: return a->ne[0] == 128;
    case Op::concat:
      return a->type == b->type && a->type == t.type &&
             (!is_quantized(t.type) || (contiguous_rows(*a) && contiguous_rows(*b) && contiguous_rows(t)));
    case Op::set_rows:
      return is_float(a->type) && (is_cache_type(t.type) || t.type == TensorType::q1_0 || t.type == TensorType::q2_0);
    default: return true;
  }
}

}  // namespace canirun
