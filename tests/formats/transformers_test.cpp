#include "transformers/transformers.hpp"

#include "canirun/formats/catalogue.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

const CatalogueEntry& entry(std::string_view id)
{
  static const auto catalogue = Catalogue::builtin().value();
  const auto* found = catalogue.find(id);
  REQUIRE(found);
  return *found;
}

TransformersModel at(std::string_view id, CheckpointType type, std::uint32_t n_tokens, std::uint32_t n_seq = 1)
{
  const auto& spec = entry(id).spec;
  const auto plan = declare_tensors(spec);
  return with_text(transformers_weights(spec, plan, checkpoint_layers(spec, plan), type), spec, type, n_tokens, n_seq);
}

double total(const TransformersModel& m)
{
  double sum = m.activations;
  for (const auto& module : m.modules) sum += module.weights + module.cache;
  return sum;
}

/// Peaks that were measured on one GPU, without the CUDA context unless `context` says so.
struct Peak {
  std::string_view model;
  CheckpointType type;
  std::uint32_t n_tokens;
  double bytes;
  double context;
  double tolerance;
  std::string_view source;
};

constexpr double k_gib = 1 << 30, k_mib = 1 << 20;

}  // namespace

// docs/transformers.md, "How far it agrees".
TEST_CASE("peaks are what was measured with transformers", "[transformers][published]")
{
  const auto& [model, type, n_tokens, bytes, context, tolerance, source] = GENERATE(
      // OctoCoder has StarCoder's shapes; torch.cuda.max_memory_allocated.
      Peak{"starcoder-15b", CheckpointType::bf16, 100, 29.026 * k_gib, 0, 0.01, "transformers llm_tutorial_optimization"},
      Peak{"starcoder-15b", CheckpointType::int8, 100, 15.219 * k_gib, 0, 0.01, "the same"},
      Peak{"starcoder-15b", CheckpointType::nf4, 100, 9.544 * k_gib, 0, 0.07, "the same"},
      Peak{"llama-2-7b", CheckpointType::f16, 100, 13213 * k_mib, 456 * k_mib, 0.02, "FastChat issue 2005, RTX 3090"},
      Peak{"llama-2-7b", CheckpointType::int8, 100, 7843 * k_mib, 456 * k_mib, 0.08, "FastChat issue 2005, RTX 3090"},
      Peak{"qwen2.5-0.5b", CheckpointType::f16, 100, 0.998e9, 0, 0.03, "llm-quantization-benchmark, T4"},
      Peak{"qwen2.5-0.5b", CheckpointType::int8, 100, 0.642e9, 0, 0.04, "llm-quantization-benchmark, T4"},
      Peak{"qwen2.5-0.5b", CheckpointType::awq, 100, 0.468e9, 0, 0.03, "llm-quantization-benchmark, T4"});
  INFO(model << " " << name(type) << ", " << source);
  CHECK(total(at(model, type, n_tokens)) + context == Approx(bytes).epsilon(tolerance));
}

TEST_CASE("bytes of a weight: 16 bits, a scale a row, a scale a block of 64", "[transformers]")
{
  // Llama 3.1 8B: 32 layers with 4096*(4096 + 2*1024 + 4096) + 3*4096*14336 quantised weights in rows of 4096 and 14336.
  const double layer = 4096.0 * 10240 + 3 * 4096.0 * 14336, norms = 2 * 4096 * 2;
  const double rows = 10240 + 2 * 14336 + 4096;  // outputs: of attention 4096 + 1024 + 1024 + 4096, of the feed-forward part
  CHECK(at("llama-3.1-8b", CheckpointType::bf16, 1).modules[1].weights == 2 * layer + norms);
  CHECK(at("llama-3.1-8b", CheckpointType::f32, 1).modules[1].weights == 2 * (2 * layer + norms));
  CHECK(at("llama-3.1-8b", CheckpointType::int8, 1).modules[1].weights == Approx(layer + 4 * rows + norms));
  CHECK(at("llama-3.1-8b", CheckpointType::nf4, 1).modules[1].weights == Approx(layer * (0.5 + 4 / 64.0) + norms));
  // Embeddings and the output matrix stay.
  CHECK(at("llama-3.1-8b", CheckpointType::nf4, 1).modules[0].weights == 2.0 * 128256 * 4096);
}

TEST_CASE("the cache has whole texts, windows less than a text, and every head of latent attention", "[transformers]")
{
  const auto cache = [](std::string_view id, CheckpointType type, std::uint32_t n) {
    double sum = 0;
    for (const auto& m : at(id, type, n).modules) sum += m.cache;
    return sum;
  };
  CHECK(cache("llama-3.1-8b", CheckpointType::bf16, 8192) == 1073741824);  // 32 layers * 2 * 8 heads * 128 * 2 bytes a token
  CHECK(cache("llama-3.1-8b", CheckpointType::f32, 8192) == 2 * 1073741824.0);
  CHECK(cache("llama-3.1-8b", CheckpointType::nf4, 8192) == 1073741824);
  // Gemma 3 12B: 48 layers, every sixth of them full, the others 1024 tokens; 8 heads of 256.
  CHECK(cache("gemma-3-12b", CheckpointType::bf16, 8192) == 2.0 * 2 * 8 * 256 * (8 * 8192.0 + 40 * 1024));
  // DeepSeek V2 Lite: 27 layers of 16 heads, keys of 128 + 64 and values of 128, where llama.cpp keeps 576 numbers.
  CHECK(cache("deepseek-v2-lite", CheckpointType::bf16, 1000) == 2.0 * 27 * 16 * (192 + 128) * 1000);
}

TEST_CASE("a device map fills GPUs with whole modules in order and keeps room for what it uploads", "[transformers]")
{
  TransformersModel m;
  m.modules.assign(10, {10, 1});
  const auto map = [&](std::vector<double> room) { return device_map(m, room); };
  CHECK(map({110}).n_modules == std::vector<std::size_t>{10});
  CHECK(map({110}).n_on_cpu == 0);
  // Two GPUs: half of 100 and 1.25 modules more, in whole modules.
  CHECK(map({110, 110}).n_modules == std::vector<std::size_t>{6, 4});
  // One module less than fits: all ten caches and room for a module are on the GPU, so that eight fit 100 - 20.
  CHECK(map({100}).n_modules == std::vector<std::size_t>{8});
  CHECK(map({100}).n_on_cpu == 2);
  CHECK(map({5}).n_on_cpu == 10);
  CHECK(map({}).n_on_cpu == 10);
}

TEST_CASE("longer texts, more texts and more bits never take less", "[transformers][property]")
{
  for (const auto* id : {"llama-3.1-8b", "gemma-3-12b", "qwen3-30b-a3b", "deepseek-v2-lite"}) {
    double last = 0;
    for (const auto n : {256u, 4096u, 32768u}) {
      const auto now = total(at(id, CheckpointType::bf16, n));
      CHECK(now > last);
      CHECK(total(at(id, CheckpointType::bf16, n, 2)) > now);
      last = now;
    }
    last = 0;
    for (const auto type : {CheckpointType::gptq, CheckpointType::awq, CheckpointType::nf4, CheckpointType::int8,
                            CheckpointType::bf16, CheckpointType::f32}) {
      const auto now = at(id, type, 256).total_weights();
      CHECK(now > last);
      last = now;
    }
  }
}
