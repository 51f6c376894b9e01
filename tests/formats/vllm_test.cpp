#include "vllm/vllm.hpp"

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

/// A line of a start-up log: "Model loading took X GiB", of one rank.
struct LoadedWeights {
  std::string_view model;
  CheckpointType type;
  std::uint32_t n_ranks;
  double gib;
  double tolerance;
  std::string_view source;
};

/// "GPU blocks", "GPU KV cache size": how many tokens fit what was left.
struct CacheSize {
  std::string_view model;
  std::uint32_t n_ranks;
  double gib;
  double tokens;
  std::string_view source;
};

}  // namespace

// What differs from the accounting is explained in docs/vllm.md.
TEST_CASE("weights of a rank are what vLLM's logs say", "[vllm][published]")
{
  const auto& [model, type, n_ranks, gib, tolerance, source] = GENERATE(
      LoadedWeights{"llama-3-8b", CheckpointType::bf16, 1, 14.9595, 0.002, "vllm issue 12330"},
      LoadedWeights{"llama-3-8b", CheckpointType::bf16, 2, 7.48, 0.002, "vllm pull request 10511"},
      LoadedWeights{"llama-3.1-8b", CheckpointType::bf16, 1, 14.9888, 0.005, "vllm issue 10517"},
      LoadedWeights{"qwen2.5-32b", CheckpointType::bf16, 2, 30.7098, 0.01, "vllm issue 15815"},
      LoadedWeights{"qwen3-30b-a3b", CheckpointType::bf16, 4, 14.2474, 0.01, "vllm issue 17469"},
      LoadedWeights{"qwen3-4b", CheckpointType::bf16, 1, 7.6785, 0.03, "amd-strix-halo-vllm-toolboxes pull request 5 (ROCm)"},
      LoadedWeights{"gemma-4-26b-a4b", CheckpointType::bf16, 1, 48.5, 0.02, "myoceane.fr, A100, vLLM 0.19"},
      LoadedWeights{"qwen2.5-7b", CheckpointType::awq, 1, 5.2032, 0.01, "vllm issue 13882"},
      LoadedWeights{"gemma-3-27b", CheckpointType::bf16, 4, 13.1665, 0.04, "vllm issue 15676"},
      LoadedWeights{"gpt-oss-20b", CheckpointType::mxfp4, 1, 13.72, 0.01, "myoceane.fr, A100, vLLM 0.19"},
      LoadedWeights{"gpt-oss-120b", CheckpointType::mxfp4, 1, 65.9651, 0.01, "vllm issue 23278 (Marlin kernels)"});
  const auto& e = entry(model);
  const auto plan = declare_tensors(e.spec);
  const auto weights = vllm_weights(e.spec, plan, checkpoint_layers(e.spec, plan), type, n_ranks);
  const auto towers = 2.0 * static_cast<double>(e.spec.n_params_mmproj) / n_ranks / (1 << 30);
  CAPTURE(model, source, to_gib(weights).value, towers);
  CHECK(to_gib(weights).value + towers == Approx(gib).epsilon(tolerance));
}

TEST_CASE("what is left for the cache holds as many tokens as vLLM's logs say", "[vllm][published]")
{
  const auto& [model, n_ranks, gib, tokens, source] = GENERATE(CacheSize{"llama-3-8b", 1, 11.12, 5691 * 16, "vllm issue 12330"},
                                                               CacheSize{"llama-3.1-8b", 1, 3.81, 1952 * 16, "vllm issue 10517"},
                                                               CacheSize{"qwen2.5-32b", 2, 7.71, 3947 * 16, "vllm issue 15815"},
                                                               CacheSize{"qwen3-235b-a22b", 4, 8.11, 178880, "vllm issue 21348"});
  const auto& spec = entry(model).spec;
  const VllmShape shape{
      .n_ranks = n_ranks, .max_model_len = 4096, .n_seq = 1, .max_num_seqs = 256, .max_batched_tokens = 2048, .cache_bytes = 2};
  const auto per_token = static_cast<double>(vllm_cache(spec, shape, 16000).kv.count) / 16000;
  CAPTURE(model, source, per_token);
  CHECK(gib * (1 << 30) / per_token == Approx(tokens).epsilon(0.015));
}
