#include "graph/backend_support.hpp"

#include "graph/ops.hpp"

namespace canirun {
namespace {

constexpr std::uint64_t k_fattn_kq_stride = 256;  // fattn-common.cuh: FATTN_KQ_STRIDE

/// The types of caches that CUDA's flash attention reads.
bool cuda_flash_type(TensorType type) { return is_cache_type(type) && type != TensorType::iq4_nl; }

bool strides_are_16(const GraphTensor& t) { return t.nb[1] % 16 == 0 && t.nb[2] % 16 == 0 && t.nb[3] % 16 == 0; }

/// Query heads that share a key head.
std::uint64_t gqa_ratio_of(const GraphTensor& q, const GraphTensor& k) { return k.ne[2] ? q.ne[2] / k.ne[2] : 1; }

/// fattn.cu: gqa_opt_applies, without ALiBi.
bool shares_keys(Tensors tensors, const GraphTensor& t)
{
  const auto* q = source(tensors, t, 0);
  const auto* k = source(tensors, t, 1);
  const auto* mask = source(tensors, t, 3);
  if (gqa_ratio_of(*q, *k) < 2 || !mask || k->ne[1] % k_fattn_kq_stride != 0) return false;
  for (const auto* x : {q, k, source(tensors, t, 2), mask}) {
    if (!is_quantized(x->type) && !strides_are_16(*x)) return false;
  }
  return true;
}

/// fattn.cu: the conditions of ggml_cuda_get_best_fattn_kernel under which there is a kernel at all.
bool cuda_flash_attention(Tensors tensors, const GraphTensor& t)
{
  const auto& q = *source(tensors, t, 0);
  const auto& k = *source(tensors, t, 1);
  const auto& v = *source(tensors, t, 2);
  const auto* mask = source(tensors, t, 3);
  const auto gqa_ratio = gqa_ratio_of(q, k);
  const bool gqa = shares_keys(tensors, t);
  switch (k.ne[0]) {
    case 40:
    case 64:
    case 72:
    case 80:
    case 96:
    case 112:
    case 128:
    case 256:
      if (v.ne[0] != k.ne[0]) return false;
      break;
    case 192:
      if (v.ne[0] != 128 || !gqa || gqa_ratio % 8 != 0) return false;
      break;
    case 320:
      if (v.ne[0] != 256 || !gqa || gqa_ratio % 32 != 0) return false;
      break;
    case 512:
      if (v.ne[0] != k.ne[0] || !gqa) return false;
      break;
    case 576:
      if (v.ne[0] != 512 || !gqa) return false;
      break;
    default: return false;
  }
  return cuda_flash_type(k.type) && cuda_flash_type(v.type) && (!mask || mask->ne[2] == 1);
}

/// fattn.cu: ggml_cuda_get_best_fattn_kernel takes the vector kernel, for cards from Ada Lovelace on.
bool cuda_vector_kernel(Tensors tensors, const GraphTensor& t)
{
  const auto& q = *source(tensors, t, 0);
  const auto& k = *source(tensors, t, 1);
  if (q.ne[0] > 256 || q.ne[0] % 64 != 0 || q.ne[0] == 192 || k.ne[1] % k_fattn_kq_stride != 0) return false;
  if (is_quantized(k.type) || is_quantized(source(tensors, t, 2)->type)) return q.ne[1] <= 2;
  if (q.ne[1] != 1) return false;
  const bool wide = gqa_ratio_of(q, k) > 4 && (q.ne[0] >= 256 || k.ne[1] >= 8192);
  return (q.ne[3] == 1 && !wide) || !shares_keys(tensors, t);
}

bool cuda_get_rows(const GraphTensor& table)
{
  switch (table.type) {
    case TensorType::iq4_nl:
    case TensorType::mxfp4: return table.ne[0] % 256 == 0;
    case TensorType::tq1_0:
    case TensorType::tq2_0:
    case TensorType::nvfp4:
    case TensorType::i8:
    case TensorType::i16:
    case TensorType::i64:
    case TensorType::f64:
    case TensorType::q8_K:
    case TensorType::q8_1: return false;
    default: return true;
  }
}

bool cuda_concat(const GraphTensor& t, const GraphTensor& a, const GraphTensor& b)
{
  if (a.type != b.type || a.type != t.type) return false;
  if (!is_quantized(t.type)) return true;
  if (t.ne[3] != a.ne[3]) return is_contiguous(a) && is_contiguous(b);
  return packed(a, 0, 3) && packed(b, 0, 3);
}

/// lightning-indexer.cu: ggml_cuda_lightning_indexer_supported.
bool cuda_indexer(const GraphTensor& q, const GraphTensor& k)
{
  if (q.ne[0] != 128 || (q.ne[1] != 64 && q.ne[1] != 32)) return false;
  for (const auto* x : {&q, &k}) {
    if (!is_quantized(x->type) && !strides_are_16(*x)) return false;
  }
  return cuda_flash_type(k.type);
}

bool cuda_copies(TensorType from, TensorType to)
{
  const auto plain = [](TensorType type) { return is_float(type) || type == TensorType::bf16; };
  const auto cached = [](TensorType type) {
    return type == TensorType::q8_0 || type == TensorType::q4_0 || type == TensorType::q4_1 || type == TensorType::q5_0 ||
           type == TensorType::q5_1 || type == TensorType::i32;
  };
  if (plain(from) && plain(to)) return true;
  if (from == TensorType::f32) return cached(to) || to == TensorType::iq4_nl;
  return to == TensorType::f32 && cached(from);
}

}  // namespace

std::uint64_t cuda_flash_size(Tensors tensors, const GraphTensor& t)
{
  const auto bytes = n_bytes(t);
  if (!cuda_flash_attention(tensors, t)) return bytes;
  const auto& k = *source(tensors, t, 1);
  const auto& v = *source(tensors, t, 2);
  // Compiled for these unless a build asks for more (ggml/CMakeLists.txt: GGML_CUDA_FA_QUANTS); others fall back to f16.
  const bool compiled = k.type == v.type && (k.type == TensorType::q4_0 || k.type == TensorType::q8_0 ||
                                             k.type == TensorType::f16 || k.type == TensorType::bf16);
  if (compiled && cuda_vector_kernel(tensors, t)) return bytes;
  auto end = bytes;
  const auto add = [&](const GraphTensor& x) { end = pad_to(end, 128) + n_elements(x) * 2; };
  if (k.type != TensorType::f16) add(k);
  const bool v_is_k = v.view_src >= 0 && (v.view_src == t.src[1] || (v.view_src == k.view_src && v.view_offs == k.view_offs));
  if (v.type != TensorType::f16 && !v_is_k) add(v);
  return end;
}

bool cuda_supports(Tensors tensors, const GraphTensor& t)
{
  const auto* a = source(tensors, t, 0);
  const auto* b = source(tensors, t, 1);
  switch (t.op) {
    case Op::unary: return is_contiguous(*a);
    case Op::glu: return packed(*a, 1, 4);
    case Op::mul_mat:
    case Op::mul_mat_id:
      if (a->nb[0] != traits(a->type).block_bytes || b->nb[0] != traits(b->type).block_bytes) return false;
      if (b->type == TensorType::f16 && a->type != TensorType::f16) return false;
      if (t.op == Op::mul_mat_id && t.prec_f32) return false;
      return supports_matrix(Backend::cuda, a->type);
    case Op::out_prod: return a->type == TensorType::f32 && b->type == TensorType::f32;
    case Op::get_rows: return cuda_get_rows(*a);
    case Op::set_rows:
      return is_cache_type(t.type) && (a->type == TensorType::f32 || (a->type == TensorType::f16 && t.type == a->type));
    case Op::set: return (t.type == TensorType::f32 || t.type == TensorType::i32) && a->type == t.type && b->type == t.type;
    case Op::repeat: return is_float(a->type);
    case Op::concat: return cuda_concat(t, *a, *b);
    case Op::cpy: {
      const auto& to = b ? *b : t;
      return cuda_copies(a->type, to.type) || (a->type == to.type && is_contiguous(*a) && is_contiguous(to));
    }
    case Op::lightning_indexer: return cuda_indexer(*a, *b);
    case Op::norm:
    case Op::rms_norm:
    case Op::l2_norm:
    case Op::sum: return contiguous_rows(*a);
    case Op::sum_rows:
    case Op::mean: return a->type == TensorType::f32 && contiguous_rows(*a);
    case Op::group_norm: return is_contiguous(*a);
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::div: return is_float(a->type) && is_float(b->type) && is_float(t.type);
    case Op::ssm_scan: {
      const auto* decay = source(tensors, t, 3);
      if (decay->ne[0] == 1) return (a->ne[0] == 128 || a->ne[0] == 256) && a->ne[1] % 16 == 0;  // mamba2
      return a->ne[0] == 16 && a->ne[1] == 1 && a->ne[2] % 128 == 0 && source(tensors, t, 4)->ne[1] == 1;
    }
    case Op::ssm_conv: return a->ne[1] % 128 == 0;
    case Op::roll: return a->type == TensorType::f32 && is_contiguous(*a);
    case Op::rope: return a->nb[0] == traits(a->type).block_bytes && packed(*a, 2, 4);
    case Op::im2col:
    case Op::conv_2d:
    case Op::acc: return is_contiguous(*a) && is_contiguous(*b);
    case Op::flash_attn_ext: return cuda_flash_attention(tensors, t);
    default: return true;
  }
}

}  // namespace canirun
