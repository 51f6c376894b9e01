#include "graph/backend_rules.hpp"

#include <limits>

#include "graph/ops.hpp"

namespace canirun {
namespace {

constexpr std::uint64_t k_matrix_row_padding = 512;  // ggml-cuda: MATRIX_ROW_PADDING
constexpr std::uint64_t k_offload_min_batch = 32;    // op_offload_min_batch_size of the CUDA and Vulkan backends
constexpr std::uint64_t k_fattn_kq_stride = 256;     // fattn-common.cuh: FATTN_KQ_STRIDE

constexpr std::uint64_t k_vulkan_max_range = 0xFFFF'FFFF;  // maxStorageBufferRange of discrete cards

using Tensors = std::span<const GraphTensor>;

const GraphTensor* source(Tensors tensors, const GraphTensor& t, std::size_t i)
{
  return t.src[i] < 0 ? nullptr : &tensors[static_cast<std::size_t>(t.src[i])];
}

bool is_quantized(TensorType type) { return traits(type).quantized; }

bool contiguous_rows(const GraphTensor& t) { return t.ne[0] == 1 || t.nb[0] == traits(t.type).block_bytes; }

/// ggml_is_contiguous_n: axes above `n` are packed; the first `n` strides may skip.
bool contiguous_from(const GraphTensor& t, std::size_t n)
{
  const auto& block = traits(t.type);
  auto next = std::uint64_t{block.block_bytes};
  if (t.ne[0] != block.block_weights && t.nb[0] != next) return false;
  next *= t.ne[0] / block.block_weights;
  for (std::size_t i = 1; i < 4; ++i) {
    if (i > n) {
      if (t.ne[i] != 1 && t.nb[i] != next) return false;
      next *= t.ne[i];
    } else {
      next = t.ne[i] * t.nb[i];
    }
  }
  return true;
}

bool is_float(TensorType type) { return type == TensorType::f32 || type == TensorType::f16; }

bool cuda_like(Backend backend) { return backend == Backend::cuda || backend == Backend::rocm; }

/// A matrix of this type can be multiplied.
bool supports_matrix(Backend backend, TensorType type)
{
  switch (type) {
    case TensorType::tq1_0:
    case TensorType::tq2_0: return backend == Backend::vulkan || backend == Backend::cpu;
    case TensorType::i8:
    case TensorType::i16:
    case TensorType::i64:
    case TensorType::f64:
    case TensorType::q8_1:
    case TensorType::q8_K: return backend == Backend::cpu;
    case TensorType::i32: return true;  // tables of numbers (DeepSeek-V4): rows of them are fetched, never multiplied
    default: return true;
  }
}

// --- CUDA flash attention --------------------------------------------------------------------------------------------------------

bool cuda_flash_type(TensorType type)
{
  switch (type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16:
    case TensorType::q4_0:
    case TensorType::q4_1:
    case TensorType::q5_0:
    case TensorType::q5_1:
    case TensorType::q8_0: return true;
    default: return false;
  }
}

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

/// Every kernel but the one for single tokens reads K and V as f16: a copy of both follows the result
/// (fattn-common.cuh: ggml_cuda_flash_attn_ext_get_f16_extra_data).
std::uint64_t cuda_flash_size(Tensors tensors, const GraphTensor& t)
{
  const auto bytes = n_bytes(t);
  if (!cuda_flash_attention(tensors, t)) return bytes;
  const auto& k = *source(tensors, t, 1);
  const auto& v = *source(tensors, t, 2);
  // Compiled for these unless a build asks for more (ggml/CMakeLists.txt: GGML_CUDA_FA_QUANTS); others fall back to f16.
  const bool compiled = k.type == v.type && (k.type == TensorType::q4_0 || k.type == TensorType::q8_0 || k.type == TensorType::f16 ||
                                             k.type == TensorType::bf16);
  if (compiled && cuda_vector_kernel(tensors, t)) return bytes;
  auto end = bytes;
  const auto add = [&](const GraphTensor& x) { end = pad_to(end, 128) + n_elements(x) * 2; };
  if (k.type != TensorType::f16) add(k);
  const bool v_is_k = v.view_src >= 0 && (v.view_src == t.src[1] || (v.view_src == k.view_src && v.view_offs == k.view_offs));
  if (v.type != TensorType::f16 && !v_is_k) add(v);
  return end;
}

bool cuda_set_rows(TensorType type)
{
  switch (type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16:
    case TensorType::q4_0:
    case TensorType::q4_1:
    case TensorType::q5_0:
    case TensorType::q5_1:
    case TensorType::q8_0:
    case TensorType::iq4_nl: return true;
    default: return false;
  }
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

/// Axes 0 to 2 are packed (ggml_is_contiguous_to_3); the stride of the last may skip.
bool contiguous_to_3(const GraphTensor& t)
{
  const auto& block = traits(t.type);
  auto next = std::uint64_t{block.block_bytes};
  if (t.ne[0] != block.block_weights && t.nb[0] != next) return false;
  next *= t.ne[0] / block.block_weights;
  for (std::size_t i = 1; i < 3; ++i) {
    if (t.ne[i] != 1 && t.nb[i] != next) return false;
    next *= t.ne[i];
  }
  return true;
}

bool cuda_concat(const GraphTensor& t, const GraphTensor& a, const GraphTensor& b)
{
  if (a.type != b.type || a.type != t.type) return false;
  if (!is_quantized(t.type)) return true;
  if (t.ne[3] != a.ne[3]) return is_contiguous(a) && is_contiguous(b);
  return contiguous_to_3(a) && contiguous_to_3(b);
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

/// ggml-cuda.cu: ggml_backend_cuda_device_supports_op.
bool cuda_supports(Tensors tensors, const GraphTensor& t)
{
  const auto* a = source(tensors, t, 0);
  const auto* b = source(tensors, t, 1);
  switch (t.op) {
    case Op::unary: return is_contiguous(*a);
    case Op::glu: return contiguous_from(*a, 1);
    case Op::mul_mat:
    case Op::mul_mat_id:
      if (a->nb[0] != traits(a->type).block_bytes || b->nb[0] != traits(b->type).block_bytes) return false;
      if (b->type == TensorType::f16 && a->type != TensorType::f16) return false;
      if (t.op == Op::mul_mat_id && t.prec_f32) return false;
      return supports_matrix(Backend::cuda, a->type);
    case Op::out_prod: return a->type == TensorType::f32 && b->type == TensorType::f32;
    case Op::get_rows: return cuda_get_rows(*a);
    case Op::set_rows:
      return cuda_set_rows(t.type) && (a->type == TensorType::f32 || (a->type == TensorType::f16 && t.type == a->type));
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
    case Op::rope: return a->nb[0] == traits(a->type).block_bytes && contiguous_from(*a, 2);
    case Op::im2col:
    case Op::conv_2d:
    case Op::acc: return is_contiguous(*a) && is_contiguous(*b);
    case Op::flash_attn_ext: return cuda_flash_attention(tensors, t);
    default: return true;
  }
}

// --- Vulkan ------------------------------------------------------------------------------------------------------------------------

bool dim01_contiguous(const GraphTensor& t)
{
  const auto& block = traits(t.type);
  return t.nb[0] == block.block_bytes && t.nb[1] == t.nb[0] * t.ne[0] / block.block_weights &&
         (t.ne[3] == 1 || t.nb[3] == t.nb[2] * t.ne[2]);
}

/// ggml-vulkan.cpp: ggml_backend_vk_device_supports_op, for a discrete card whose limits are those of current drivers.
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
      const auto cached = [](TensorType type) { return cuda_flash_type(type) || type == TensorType::iq4_nl; };
      return cached(b->type) && cached(v->type) && (b->type == TensorType::bf16) == (v->type == TensorType::bf16);
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
    case Op::set_rows: return is_float(a->type) && (cuda_set_rows(t.type) || t.type == TensorType::q1_0 || t.type == TensorType::q2_0);
    default: return true;
  }
}

bool cpu_supports(Tensors tensors, const GraphTensor& t)
{
  if (t.op != Op::conv_2d) return true;
  return is_contiguous(*source(tensors, t, 0));
}

}  // namespace

std::uint64_t buffer_alignment(Backend backend)
{
  switch (backend) {
    case Backend::cuda:
    case Backend::rocm: return 128;   // ggml_backend_cuda_buffer_type_get_alignment
    case Backend::vulkan: return 16;  // minStorageBufferOffsetAlignment of discrete cards
    case Backend::metal: return 32;   // ggml_backend_metal_buffer_type_get_alignment
    case Backend::cpu: return 32;     // ggml-backend.cpp: TENSOR_ALIGNMENT
  }
  return 32;
}

std::uint64_t host_alignment(Backend backend) { return backend == Backend::vulkan ? 64 : 32; }  // minMemoryMapAlignment

std::uint64_t max_chunk_size(Backend backend)
{
  // ggml-vulkan.cpp: suballocation_block_size.
  return backend == Backend::vulkan ? std::uint64_t{1} << 30 : std::numeric_limits<std::uint64_t>::max() / 2;
}

std::uint64_t max_tensor_size(Backend backend)
{
  return backend == Backend::vulkan ? k_vulkan_max_range : std::numeric_limits<std::uint64_t>::max();
}

std::uint64_t row_tail(Backend backend, TensorType type, std::uint64_t ne0)
{
  if (!cuda_like(backend) || !is_quantized(type) || ne0 % k_matrix_row_padding == 0) return 0;
  return row_size(type, k_matrix_row_padding - ne0 % k_matrix_row_padding).count;
}

std::uint64_t alloc_size(Backend backend, Tensors tensors, const GraphTensor& t)
{
  if (!cuda_like(backend)) return n_bytes(t);
  if (t.op == Op::flash_attn_ext) return cuda_flash_size(tensors, t);
  return n_bytes(t) + row_tail(backend, t.type, t.ne[0]);
}

bool supports(Backend backend, Tensors tensors, const GraphTensor& t)
{
  switch (t.op) {
    case Op::none:
    case Op::reshape:
    case Op::view:
    case Op::permute:
    case Op::transpose: return true;
    default: break;
  }
  switch (backend) {
    case Backend::cuda:
    case Backend::rocm: return cuda_supports(tensors, t);
    case Backend::vulkan: return vulkan_supports(tensors, t);
    case Backend::metal:
    case Backend::cpu: return cpu_supports(tensors, t);
  }
  return true;
}

bool takes_over(Tensors, const GraphTensor& t)
{
  switch (t.op) {
    case Op::get_rows: return false;
    case Op::mul_mat: return t.ne[1] >= k_offload_min_batch;
    case Op::mul_mat_id:
    case Op::rope: return t.ne[2] >= k_offload_min_batch;
    default: return t.ne[1] * t.ne[2] * t.ne[3] >= k_offload_min_batch;
  }
}

bool supports_weight(Backend backend, TensorType type, std::uint64_t bytes)
{
  if (backend == Backend::vulkan && bytes > k_vulkan_max_range) return false;
  return supports_matrix(backend, type);
}

}  // namespace canirun
