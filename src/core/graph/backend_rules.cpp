#include "graph/backend_rules.hpp"

#include <limits>

#include "graph/backend_support.hpp"
#include "graph/ops.hpp"

namespace canirun {
namespace {

constexpr std::uint64_t k_matrix_row_padding = 512;  // ggml-cuda: MATRIX_ROW_PADDING
constexpr std::uint64_t k_offload_min_batch = 32;    // op_offload_min_batch_size of the CUDA and Vulkan backends

bool cuda_like(Backend backend) { return backend == Backend::cuda || backend == Backend::rocm; }

bool cpu_supports(Tensors tensors, const GraphTensor& t)
{
  if (t.op != Op::conv_2d) return true;
  return is_contiguous(*source(tensors, t, 0));
}

}  // namespace

bool packed(const GraphTensor& t, std::size_t from, std::size_t to)
{
  const auto& block = traits(t.type);
  auto next = std::uint64_t{block.block_bytes};
  if (t.ne[0] != block.block_weights && t.nb[0] != next) return false;
  next *= t.ne[0] / block.block_weights;
  for (std::size_t i = 1; i < to; ++i) {
    if (i > from) {
      if (t.ne[i] != 1 && t.nb[i] != next) return false;
      next *= t.ne[i];
    } else {
      next = t.ne[i] * t.nb[i];
    }
  }
  return true;
}

bool supports_matrix(Backend backend, TensorType type)
{
  switch (type) {
    // CUDA and HIP have no kernels for ternary weights (ggml-cuda.cu: supports_op), Vulkan has both (pull requests 25850, 27765), Metal
    // those of TQ2_0 alone. NVFP4: ggml-metal-device.m.
    case TensorType::tq1_0: return backend == Backend::vulkan || backend == Backend::cpu;
    case TensorType::tq2_0: return !cuda_like(backend);
    case TensorType::nvfp4: return backend != Backend::metal;
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
