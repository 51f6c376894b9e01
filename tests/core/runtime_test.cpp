#include "canirun/core/runtime.hpp"

#include "canirun/core/model.hpp"
#include "canirun/core/placement.hpp"
#include "cache.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

Placement one_gpu(std::uint32_t n_gpu_layers, Runtime runtime)
{
  Placement p;
  p.n_gpu_layers = n_gpu_layers;
  p.gpus = {0};
  p.split = {1.0};
  p.output_layer_last = rules_of(runtime).output_layer_last;
  return p;
}

std::uint32_t layers_on_gpu(const Placement& p, std::uint32_t n_layer)
{
  std::uint32_t n = 0;
  for (std::uint32_t il = 0; il < n_layer; ++il) n += p.device_of_layer(il, n_layer).has_value();
  return n;
}

}  // namespace

// Load log of Ollama 2026-08-30: QwQ 32B, "offloaded 29/65 layers": 493 MiB of cache on the GPU are 29 layers, 595 MiB are 35.
TEST_CASE("Ollama counts repeating layers first, llama.cpp the output layer", "[runtime]")
{
  CHECK(layers_on_gpu(one_gpu(29, Runtime::ollama), 64) == 29);
  CHECK(layers_on_gpu(one_gpu(29, Runtime::llama_cpp), 64) == 28);
  CHECK_FALSE(one_gpu(64, Runtime::ollama).device_of_layer(64, 64));
  CHECK(one_gpu(65, Runtime::ollama).device_of_layer(64, 64) == 0u);
  CHECK(one_gpu(1, Runtime::llama_cpp).device_of_layer(64, 64) == 0u);
  CHECK_FALSE(one_gpu(0, Runtime::ollama).device_of_layer(63, 64));
}

TEST_CASE("layers placed the older way are shared between GPUs by position among those offloaded", "[runtime]")
{
  auto p = one_gpu(4, Runtime::lm_studio);
  p.gpus = {0, 1};
  p.split = {0.5, 0.5};
  CHECK_FALSE(p.device_of_layer(3, 8));
  CHECK(p.device_of_layer(4, 8) == 0u);
  CHECK(p.device_of_layer(5, 8) == 0u);
  CHECK(p.device_of_layer(6, 8) == 1u);
  CHECK(p.device_of_layer(7, 8) == 1u);
  CHECK_FALSE(p.device_of_layer(8, 8));
}

// Load log of LM Studio 1.44 (gpt-oss 120B, 4096 tokens, "using full-size SWA cache"): 288 MiB.
TEST_CASE("LM Studio and Ollama keep sliding windows at full size", "[runtime]")
{
  ModelSpec m;
  m.arch = "gpt-oss";
  m.n_ctx_train = 131072;
  m.n_layer = 36;
  m.n_head = 64;
  m.n_head_kv = 8;
  m.head_dim_k = m.head_dim_v = m.head_dim_k_swa = m.head_dim_v_swa = 64;
  m.swa = SwaSpec{.window = 128, .local = std::vector<bool>(36)};
  for (std::size_t il = 0; il < 36; il += 2) m.swa->local[il] = true;
  const auto mib = [&](Runtime runtime) {
    Workload w;
    w.n_ctx = 4096;
    w.runtime = runtime;
    std::uint64_t bytes = 0;
    for (const auto& t : cache_tensors(m, w, resolve(w, m))) bytes += t.ne[1] * t.ne[2] * row_size(t.type, t.ne[0]).count;
    return bytes >> 20;
  };
  CHECK(mib(Runtime::lm_studio) == 288);
  CHECK(mib(Runtime::ollama) == 288);
  CHECK(mib(Runtime::llama_server) == 144 + 27);  // 18 layers of 4096 cells, 18 of pad256(128 + 512) = 768
}
