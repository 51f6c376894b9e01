#include "canirun/core/memory.hpp"

#include "arch/models.hpp"
#include "cache.hpp"
#include "catch.hpp"
#include "graph/allocate.hpp"
#include "memory_model.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

Placement on_one_gpu(const ModelSpec& model, Backend backend = Backend::cuda)
{
  return {.mode = Placement::Mode::gpu,
          .n_gpu_layers = model.n_layer + 1,
          .n_layers = model.n_layer,
          .n_cpu_moe = 0,
          .backend = backend,
          .gpus = {0},
          .split = {1.0}};
}

Placement on_gpus(const ModelSpec& model, std::size_t n)
{
  auto p = on_one_gpu(model);
  p.gpus.clear();
  for (std::size_t i = 0; i < n; ++i) p.gpus.push_back(i);
  p.split.assign(n, 1.0 / static_cast<double>(n));
  return p;
}

MemoryEstimate estimate(const ModelSpec& model, FileType type, const Workload& workload, const Placement& placement)
{
  return estimate_memory(model, tensor_plan(model, type), workload, placement);
}

}  // namespace

// Source of the figures: llama.cpp v0.5.0 asked about a file of these shapes.
TEST_CASE("llama-2-7b Q2_K wholly on a GPU takes what llama.cpp allocates", "[memory]")
{
  const auto model = llama_2_7b();
  const auto e = estimate(model, FileType::Q2_K, {.n_ctx = 4096}, on_one_gpu(model));
  CHECK(e.gpus.at(0).weights == Bytes{2'489'118'720});
  CHECK(e.host.weights == Bytes{43'008'000});
  CHECK(e.gpus.at(0).compute == Bytes{97'005'568});
  CHECK(e.flash_attn);
  CHECK(e.compute_known);
}

TEST_CASE("llama-2-70b keeps 1.25 GiB of keys and values for 4096 tokens", "[memory][cache]")
{
  const auto model = llama_2_70b();
  const auto e = estimate(model, FileType::Q4_K_M, {.n_ctx = 4096}, on_one_gpu(model));
  CHECK(e.gpus.at(0).kv_cache == Bytes{1'342'177'280});
  CHECK(e.host.kv_cache == Bytes{0});
}

TEST_CASE("linear attention keeps one matrix a head, and only the other layers keep keys", "[memory][cache]")
{
  const auto model = minimax_text_01();
  const auto e = estimate(model, FileType::Q4_K_M, {.n_ctx = 4096}, on_gpus(model, 8));
  Bytes kv, state;
  for (const auto& gpu : e.gpus) {
    kv += gpu.kv_cache;
    state += gpu.recurrent_state;
  }
  CHECK(kv == Bytes{10ull * 4096 * 2 * 8 * 128 * 2});        // 10 of 80 layers, 8 key heads of 128, f16
  CHECK(state == Bytes{70ull * 64 * 128 * 128 * 4});         // 70 layers, 64 heads of 128 × 128, f32
}

TEST_CASE("four GPUs keep four copies of what crosses between them", "[memory][pipeline]")
{
  const auto model = llama_3_1_8b();
  const auto e = estimate(model, FileType::Q4_K_M, {.n_ctx = 4096, .n_outputs_max = 0}, on_gpus(model, 4));
  // docs/memory-model.md: 156.0 / 188.0 / 188.0 / 338.5 MiB.
  const auto mib = [&](std::size_t i) { return static_cast<double>(e.gpus.at(i).compute.count) / 1048576.0; };
  CHECK(mib(0) == Approx(156.0).margin(0.1));
  CHECK(mib(1) == Approx(188.0).margin(0.1));
  CHECK(mib(2) == Approx(188.0).margin(0.1));
  CHECK(mib(3) == Approx(338.5).margin(0.1));
}

TEST_CASE("the parts of a whole-GPU placement do not depend on the order of calls", "[memory][property]")
{
  const auto big = llama_2_70b(), small = llama_2_7b();
  const auto first = estimate(small, FileType::Q4_0, {.n_ctx = 2048}, on_one_gpu(small));
  (void)estimate(big, FileType::Q8_0, {.n_ctx = 8192}, on_gpus(big, 2));
  CHECK(estimate(small, FileType::Q4_0, {.n_ctx = 2048}, on_one_gpu(small)).total() == first.total());
}

TEST_CASE("without flash attention the scores of all heads are in the compute buffer", "[memory]")
{
  const auto model = llama_3_1_8b();
  const auto on = estimate(model, FileType::Q4_K_M, {.n_ctx = 8192, .n_outputs_max = 1}, on_one_gpu(model));
  const auto off = estimate(model, FileType::Q4_K_M, {.n_ctx = 8192, .flash_attn = FlashAttention::off, .n_outputs_max = 1},
                            on_one_gpu(model));
  // 32 heads × 8192 cells × 512 tokens × 4 bytes = 512 MiB.
  CHECK(off.gpus.at(0).compute >= 512_MiB);
  CHECK(on.gpus.at(0).compute < 128_MiB);
}

TEST_CASE("where flash attention is given up for want of a kernel, V stays as it was stored", "[memory][cache]")
{
  // CUDA has no flash attention for heads of 160. The figures are llama.cpp's for StableLM 2 12B: 40 layers, 8 key heads.
  const auto model = decoder("llama", 40, 5120, 32, 8, 160, 13824, 100352);
  const auto given_up = estimate(model, FileType::Q4_K_M, {.n_ctx = 4096}, on_one_gpu(model));
  const auto off = estimate(model, FileType::Q4_K_M, {.n_ctx = 4096, .flash_attn = FlashAttention::off}, on_one_gpu(model));
  CHECK_FALSE(given_up.flash_attn);
  CHECK(given_up.host.compute == Bytes{29'374'464});
  // Transposed, V needs one 64-bit index an element, else one a token.
  CHECK(off.host.compute.count - given_up.host.compute.count == 8 * 512 * (8 * 160 - 1));
}

TEST_CASE("experts in RAM move their bytes from the GPU to the host", "[memory][moe]")
{
  const auto model = mixtral_8x7b();
  auto placement = on_one_gpu(model);
  const auto whole = estimate(model, FileType::Q4_K_M, {.n_ctx = 4096}, placement);
  placement.n_cpu_moe = UINT32_MAX;
  const auto split = estimate(model, FileType::Q4_K_M, {.n_ctx = 4096}, placement);
  CHECK(whole.total().weights.count - split.total().weights.count < 65536);  // alignment only
  CHECK(split.host.weights > whole.host.weights);
  // The experts of one layer pass through the GPU's compute buffer.
  CHECK(split.gpus.at(0).compute > whole.gpus.at(0).compute);
}

TEST_CASE("caches in RAM leave the GPU", "[memory][cache]")
{
  const auto model = llama_3_1_8b();
  const auto e = estimate(model, FileType::Q4_K_M, {.n_ctx = 4096, .offload_kqv = false}, on_one_gpu(model));
  CHECK(e.gpus.at(0).kv_cache == Bytes{0});
  CHECK(e.host.kv_cache == 512_MiB);
}

TEST_CASE("a block that grew past an empty one is found before it", "[memory][allocator]")
{
  BlockAllocator a;
  a.reset(128, std::uint64_t{1} << 40);
  (void)a.allocate(1024);
  const auto wide = a.allocate(8192);
  (void)a.allocate(1024);
  a.release(wide, 8192);
  const auto front = a.allocate(4096);
  const auto nothing = a.allocate(0);  // where the free part of the wide block begins now
  a.release(front, 4096);
  a.release(nothing, 0);  // stays as an empty block after the wide one
  (void)a.allocate(5120);
  const auto left = a.allocate(1024), right = a.allocate(512);  // the wide block now begins after the empty one
  a.release(left, 1024);
  a.release(right, 512);
  CHECK(a.allocate(3072).offset == left.offset);  // both are one with what was left of the wide block
}

TEST_CASE("released memory is merged, and empty tensors leave empty blocks in order", "[memory][allocator]")
{
  BlockAllocator a;
  a.reset(128, std::uint64_t{1} << 40);
  const auto first = a.allocate(1000), second = a.allocate(1000), third = a.allocate(1000);
  CHECK(second.offset == 1024);
  CHECK(a.peak() == 3 * 1024);
  const auto nothing = a.allocate(0);  // at the end, where the free space begins
  CHECK(nothing.offset == 3 * 1024);
  a.release(first, 1000);
  a.release(third, 1000);
  a.release(nothing, 0);  // now inside of the last free block: stays behind it as an empty block
  a.release(second, 1000);
  // The empty block is the last one and has no room, so the freed space is found by best fit.
  CHECK(a.allocate(3000).offset == 0);
  CHECK(a.peak() == 3 * 1024);
}

TEST_CASE("chunks are opened when a block of the largest size is full", "[memory][allocator]")
{
  BlockAllocator a;
  a.reset(16, 4096);
  CHECK(a.allocate(4096).chunk == 0);
  CHECK(a.allocate(16).chunk == 1);
  CHECK(a.allocate(10000).chunk == 2);  // more than a chunk: one of its own
  CHECK(a.peak() == 4096 + 16 + 10000);
}

TEST_CASE("weights larger than Vulkan's buffer range stay in RAM", "[memory][vulkan]")
{
  auto model = mixtral_8x7b();
  model.moe->n_expert = 256;  // 256 experts of 4096 × 14336 at f16 are far above 4 GiB
  const auto e = estimate(model, FileType::F16, {.n_ctx = 4096}, on_one_gpu(model, Backend::vulkan));
  CHECK(e.host.weights > e.gpus.at(0).weights);
  const auto cuda = estimate(model, FileType::F16, {.n_ctx = 4096}, on_one_gpu(model));
  CHECK(cuda.host.weights < 1_GiB);
}
