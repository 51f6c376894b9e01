#include <map>

#include "canirun/core/tensor_plan.hpp"
#include "catch.hpp"
#include "properties/sample.hpp"
#include "quantize.hpp"

using namespace canirun;

namespace {

/// All layers on one GPU, or all of them on the host.
Placement placement(const ModelSpec& model, bool on_gpu)
{
  Placement p;
  p.n_layers = model.n_layer + model.n_layer_nextn;
  if (!on_gpu) return p;
  p.mode = Placement::Mode::gpu;
  p.backend = Backend::cuda;
  p.n_gpu_layers = p.n_layers + 1;
  p.gpus = {0};
  p.split = {1.0};
  return p;
}

/// File types of one kind, fewest bits first. A mix gives some tensors more bits than its name says, and differently from mix to mix
/// (llama-quant.cpp: Q3_K_L gives BLOOM's attn_qkv more than Q4_K_S does), so a kind is one base type with growing suffixes, or
/// growing base types with one suffix.
const std::vector<std::vector<FileType>>& kinds()
{
  using enum FileType;
  static const std::vector<std::vector<FileType>> all{{Q4_0, Q4_1, Q5_1, Q8_0},
                                                      {Q4_0, Q5_0, Q5_1, Q8_0},
                                                      {Q3_K_S, Q4_K_S, Q5_K_S, Q6_K, Q8_0},
                                                      {Q2_K, Q3_K_M, Q4_K_M, Q5_K_M, Q6_K},
                                                      {Q3_K_S, Q3_K_M, Q3_K_L},
                                                      {Q4_K_S, Q4_K_M},
                                                      {Q5_K_S, Q5_K_M},
                                                      {IQ1_S, IQ1_M},
                                                      {IQ2_XXS, IQ2_XS, IQ2_S, IQ2_M},
                                                      {IQ3_XS, IQ3_S, IQ3_M},
                                                      {IQ4_XS, IQ4_NL},
                                                      {TQ1_0, TQ2_0},
                                                      {F16, F32},
                                                      {BF16, F32}};
  return all;
}

}  // namespace

// The compute buffer may shrink, for ggml puts each tensor into the smallest gap that holds it, and a larger graph can leave better gaps:
// llama.cpp's own library (no_alloc, 25 November 2026) asks for 1,215,348,736 bytes for gemma-4-e2b on a CPU at 2048 tokens and for
// 1,092,620,288 at 6144.
TEST_CASE("more context never needs less memory but for gaps in compute buffers", "[property]")
{
  Draw draw(3);
  for (const auto* entry : planned_models()) {
    const auto& model = entry->spec;
    Workload workload;
    workload.n_seq_max = draw.of<std::uint32_t>({1, 1, 4});
    workload.flash_attn = draw.of({FlashAttention::on, FlashAttention::off});
    workload.swa_full = draw.one_in(4);
    const bool on_gpu = !draw.one_in(3);
    const auto plan = tensor_plan(model, FileType::Q4_K_M);
    MemoryParts before;
    for (std::uint32_t n_ctx = 256; n_ctx <= 1U << 20U; n_ctx *= draw.of<std::uint32_t>({2, 3, 4})) {
      workload.n_ctx = n_ctx;
      const auto now = estimate_memory(model, plan, workload, placement(model, on_gpu)).total();
      CAPTURE(model.id, n_ctx, on_gpu, before.compute.count, now.compute.count);
      CHECK(saturating_sub(now.total(), now.compute) >= saturating_sub(before.total(), before.compute));
      CHECK(2 * now.compute >= before.compute);
      before = now;
    }
  }
}

TEST_CASE("fewer bits never need more than the next larger type of the same kind", "[property]")
{
  for (const auto* entry : planned_models()) {
    auto plan = declare_tensors(entry->spec);
    const TypeChooser chooser(entry->spec, plan);
    std::map<FileType, Bytes> sizes;
    for (const auto type : all_file_types()) {
      chooser.apply(type, {}, plan.tensors);
      sizes[type] = plan.total_bytes();
    }
    for (const auto& kind : kinds()) {
      for (std::size_t i = 1; i < kind.size(); ++i) {
        CAPTURE(entry->spec.id, name(kind[i - 1]), name(kind[i]));
        CHECK(sizes[kind[i - 1]].count <= sizes[kind[i]].count);
      }
    }
    // Floats are more than 8 bits where no tensor comes quantised.
    if (!entry->spec.native_type) CHECK(sizes[FileType::Q8_0].count <= sizes[FileType::F16].count);
  }
}

TEST_CASE("a larger cache type never needs less memory", "[property]")
{
  Draw draw(4);
  for (const auto* entry : planned_models()) {
    Workload workload;
    workload.flash_attn = FlashAttention::on;
    const bool on_gpu = draw.one_in(2);
    Bytes before;
    for (const auto type : {TensorType::q4_0, TensorType::q5_0, TensorType::q8_0, TensorType::f16, TensorType::f32}) {
      workload.cache_type_k = workload.cache_type_v = type;
      const auto estimate = estimate_memory(entry->spec, tensor_plan(entry->spec, FileType::Q4_0), workload,
                                            placement(entry->spec, on_gpu));
      const auto now = estimate.total().kv_cache;
      CAPTURE(entry->spec.id, traits(type).name, on_gpu);
      CHECK(now >= before);
      before = now;
    }
  }
}
