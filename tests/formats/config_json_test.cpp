#include "canirun/formats/config_json.hpp"

#include <fstream>

#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"
#include "catch.hpp"
#include "gguf_writer.hpp"

using namespace canirun;

namespace {

Result<ModelSpec> read(std::string_view json, std::string_view index = {})
{
  const TemporaryFolder folder;
  std::ofstream(folder / "config.json") << json;
  if (!index.empty()) std::ofstream(folder / "model.safetensors.index.json") << index;
  return read_config_json(folder / "");
}

ModelSpec spec_of(std::string_view json, std::string_view index = {})
{
  auto spec = read(json, index);
  if (!spec) FAIL(spec.error().message);
  return std::move(*spec);
}

/// The message without the folder of the test.
std::string problem(std::string_view json)
{
  const auto spec = read(json);
  if (spec) return "";
  const auto at = spec.error().message.find("config.json");
  return spec.error().message.substr(at);
}

const ModelSpec& catalogue_spec(std::string_view id)
{
  static const auto catalogue = Catalogue::builtin();
  if (!catalogue) FAIL(catalogue.error().message);
  const auto* entry = catalogue->find(id);
  REQUIRE(entry);
  return entry->spec;
}

// The published files, without what does not concern shapes.
constexpr std::string_view k_llama_3_1_8b = R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false,
  "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 131072, "model_type": "llama",
  "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
  "rope_scaling": {"factor": 8.0, "rope_type": "llama3"}, "tie_word_embeddings": false, "vocab_size": 128256})";
constexpr std::string_view k_mixtral =
    R"({"architectures": ["MixtralForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336,
  "max_position_embeddings": 32768, "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32,
  "num_key_value_heads": 8, "num_local_experts": 8, "sliding_window": null, "tie_word_embeddings": false, "vocab_size": 32000})";
constexpr std::string_view k_deepseek_v3 = R"({"architectures": ["DeepseekV3ForCausalLM"], "first_k_dense_replace": 3,
  "hidden_size": 7168, "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
  "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 128,
  "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128, "q_lora_rank": 1536, "qk_nope_head_dim": 128,
  "qk_rope_head_dim": 64, "topk_method": "noaux_tc", "v_head_dim": 128, "tie_word_embeddings": false, "vocab_size": 129280})";
constexpr std::string_view k_qwen3_30b =
    R"({"architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "decoder_sparse_step": 1,
  "head_dim": 128, "hidden_size": 2048, "intermediate_size": 6144, "max_position_embeddings": 40960, "mlp_only_layers": [],
  "moe_intermediate_size": 768, "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
  "num_key_value_heads": 4, "sliding_window": null, "tie_word_embeddings": false, "use_sliding_window": false, "vocab_size": 151936})";
constexpr std::string_view k_gemma_3_27b =
    R"({"architectures": ["Gemma3ForConditionalGeneration"], "text_config": {"head_dim": 128,
  "hidden_size": 5376, "intermediate_size": 21504, "max_position_embeddings": 131072, "num_attention_heads": 32, "num_hidden_layers": 62,
  "num_key_value_heads": 16, "sliding_window": 1024, "vocab_size": 262144}, "vision_config": {"hidden_size": 1152}})";
constexpr std::string_view k_gpt_oss_20b = R"({"architectures": ["GptOssForCausalLM"], "attention_bias": true, "head_dim": 64,
  "hidden_size": 2880, "intermediate_size": 2880, "layer_types": ["sliding_attention", "full_attention", "sliding_attention",
  "full_attention", "sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention", "full_attention",
  "sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention", "full_attention",
  "sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention", "full_attention",
  "sliding_attention", "full_attention"], "max_position_embeddings": 131072, "num_attention_heads": 64, "num_experts_per_tok": 4,
  "num_hidden_layers": 24, "num_key_value_heads": 8, "num_local_experts": 32, "rope_scaling": {"rope_type": "yarn", "factor": 32.0},
  "sliding_window": 128, "tie_word_embeddings": false, "vocab_size": 201088})";
constexpr std::string_view k_nemotron_nano_9b =
    R"({"architectures": ["NemotronHForCausalLM"], "attention_bias": false, "conv_kernel": 4,
  "head_dim": 128, "hidden_size": 4480, "hybrid_override_pattern": "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-",
  "intermediate_size": 15680, "mamba_head_dim": 80, "mamba_num_heads": 128, "max_position_embeddings": 131072, "n_groups": 8,
  "num_attention_heads": 40, "num_hidden_layers": 56, "num_key_value_heads": 8, "ssm_state_size": 128, "tie_word_embeddings": false,
  "vocab_size": 131072})";
constexpr std::string_view k_mamba_130m =
    R"({"architectures": ["MambaForCausalLM"], "conv_kernel": 4, "expand": 2, "hidden_size": 768,
  "intermediate_size": 1536, "num_hidden_layers": 24, "state_size": 16, "time_step_rank": 48, "use_conv_bias": true, "vocab_size": 50280})";

}  // namespace

TEST_CASE("published configs become the specs that the catalogue has", "[formats][config]")
{
  struct Row {
    const char* id;
    std::string_view json;
  };
  const auto row =
      GENERATE(Row{"llama-3.1-8b", k_llama_3_1_8b}, Row{"mixtral-8x7b", k_mixtral}, Row{"deepseek-v3", k_deepseek_v3},
               Row{"qwen3-30b-a3b", k_qwen3_30b}, Row{"gemma-3-27b", k_gemma_3_27b}, Row{"gpt-oss-20b", k_gpt_oss_20b},
               Row{"nemotron-nano-9b-v2", k_nemotron_nano_9b}, Row{"mamba-130m", k_mamba_130m});
  CAPTURE(row.id);
  const auto spec = spec_of(row.json);
  const auto& known = catalogue_spec(row.id);
  CHECK(spec.arch == known.arch);
  CHECK(spec.n_layer == known.n_layer);
  CHECK(spec.n_vocab == known.n_vocab);
  CHECK(spec.head_dim_k == known.head_dim_k);
  CHECK(spec.head_dim_v == known.head_dim_v);
  CHECK(spec.tied_embeddings == known.tied_embeddings);
  CHECK(spec.rope_freqs == known.rope_freqs);
  CHECK(spec.recurrent_layers == known.recurrent_layers);
  CHECK(spec.swa.has_value() == known.swa.has_value());
  for (std::uint32_t il = 0; il < spec.n_layer; ++il) {
    CHECK(spec.n_head_kv(il) == known.n_head_kv(il));
    CHECK(spec.n_ff(il) == known.n_ff(il));
    CHECK(spec.is_moe(il) == known.is_moe(il));
    CHECK(spec.is_swa(il) == known.is_swa(il));
  }
  if (!unplannable(known)) {
    CHECK(tensor_plan(spec, FileType::Q4_K_M).total_bytes() == tensor_plan(known, FileType::Q4_K_M).total_bytes());
  }
}

TEST_CASE("the index of the weights says whether the output matrix is tied", "[formats][config]")
{
  std::string config(k_llama_3_1_8b);
  config.replace(config.find(R"("tie_word_embeddings": false, )"), 30, "");
  CHECK_FALSE(spec_of(config).tied_embeddings);
  CHECK(spec_of(config, R"({"weight_map": {"model.embed_tokens.weight": "a.safetensors"}})").tied_embeddings);
  CHECK_FALSE(spec_of(config, R"({"weight_map": {"lm_head.weight": "a.safetensors"}})").tied_embeddings);
}

TEST_CASE("an imported config is an entry that reads back", "[formats][config][catalogue]")
{
  auto spec = spec_of(k_qwen3_30b);
  spec.id = "my-model";
  const auto entry = import_entry(spec, "config.json of my-model");
  const auto text = "{\"schema\": \"canirun.models/1\", \"models\": [" + to_catalogue_json(entry) + "]}";
  const auto catalogue = Catalogue::parse(text, "imported.json");
  if (!catalogue) FAIL(catalogue.error().message);
  const auto& read_back = catalogue->entries()[0].spec;
  CHECK(read_back.n_params == 30'532'122'624);
  CHECK(tensor_plan(read_back, FileType::Q4_K_M).total_bytes() == tensor_plan(spec, FileType::Q4_K_M).total_bytes());
}

TEST_CASE("a config that lacks or contradicts a field is one sentence with its key", "[formats][config]")
{
  const auto without = [](std::string_view config, const std::string& key, const std::string& with = "") {
    std::string text(config);
    const auto at = text.find("\"" + key + "\"");
    const auto end = text.find_first_of(",}", at);
    text.replace(at, end - at, with.empty() ? "\"unused\": 0" : "\"" + key + "\": " + with);
    return problem(text);
  };
  CHECK(problem("{}") == "config.json: field 'architectures' is missing: this is not a model's config.json");
  CHECK(problem("[1]") == "config.json: an object is expected");
  CHECK(problem("{") == "config.json:1:2: a key in quotation marks is expected");
  CHECK(problem(R"({"architectures": ["NoSuchModel"]})") ==
        "config.json: 'NoSuchModel' has no counterpart in llama.cpp that canirun knows");
  CHECK(without(k_llama_3_1_8b, "hidden_size") == "config.json: field 'hidden_size' is missing");
  CHECK(without(k_llama_3_1_8b, "num_hidden_layers") == "config.json: field 'num_hidden_layers' is missing");
  CHECK(without(k_llama_3_1_8b, "vocab_size") == "config.json: field 'vocab_size' is missing");
  CHECK(without(k_deepseek_v3, "qk_rope_head_dim") == "config.json: field 'qk_rope_head_dim' is missing");
  CHECK(without(k_llama_3_1_8b, "hidden_size", "\"big\"").find("field 'hidden_size' is not a whole number of at least 0") !=
        std::string::npos);
  CHECK(without(k_llama_3_1_8b, "hidden_size", "-1").find("field 'hidden_size' is not a whole number of at least 0") !=
        std::string::npos);
  CHECK(without(k_llama_3_1_8b, "hidden_size", "1e300").find("field 'hidden_size' is not a whole number") != std::string::npos);
  CHECK(without(k_llama_3_1_8b, "num_hidden_layers", "4000000000").find("is more than llama.cpp can run") != std::string::npos);
  CHECK(without(k_llama_3_1_8b, "num_attention_heads", "33").find("does not divide the width 4096, and 'head_dim' is missing") !=
        std::string::npos);
  CHECK(without(k_llama_3_1_8b, "num_key_value_heads", "5") ==
        "config.json: n_head_kv: 32 query heads cannot share 5 key heads evenly");
  CHECK(without(k_mixtral, "num_experts_per_tok", "9") == "config.json: moe.n_expert_used: 9 of 8 experts");
  CHECK(without(k_gpt_oss_20b, "num_hidden_layers", "25").find("field 'layer_types' has 24 entries for 25 layers") !=
        std::string::npos);
  CHECK(without(k_nemotron_nano_9b, "num_hidden_layers", "55").find("describes 56 layers, there are 55") != std::string::npos);
  CHECK(read_config_json("/no/such/config.json").error().message ==
        "cannot read '/no/such/config.json': No such file or directory");
}

TEST_CASE("an architecture of experts without their number is an error, not a model", "[formats][config]")
{
  const auto message = problem(R"({"architectures": ["Qwen3MoeForCausalLM"], "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 40,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96, "moe_intermediate_size": 32, "max_position_embeddings": 2048})");
  CHECK(message == "config.json: moe.n_expert: models of the architecture qwen3moe have experts, their number is missing");
}

TEST_CASE("families that no catalogue entry has become the plan that llama.cpp's converter writes", "[formats][config]")
{
  // Counts of the published checkpoints.
  const auto qwen = spec_of(R"({"architectures": ["QWenLMHeadModel"], "hidden_size": 5120, "intermediate_size": 27392, "kv_channels": 128,
    "num_attention_heads": 40, "num_hidden_layers": 40, "seq_length": 2048, "vocab_size": 152064, "tie_word_embeddings": false})");
  CHECK(qwen.arch == "qwen");
  CHECK(qwen.n_params == 14'167'290'880);
  const auto flan = spec_of(R"({"architectures": ["T5ForConditionalGeneration"], "d_ff": 5120, "d_kv": 64, "d_model": 2048,
    "feed_forward_proj": "gated-gelu", "num_decoder_layers": 24, "num_heads": 32, "num_layers": 24,
    "relative_attention_num_buckets": 32, "tie_word_embeddings": false, "vocab_size": 32128})");
  CHECK(flan.n_params == 2'849'757'184);
  CHECK(flan.n_ctx_train == 512);
  const auto shell = spec_of(R"({"architectures": ["CodeShellForCausalLM"], "n_embd": 4096, "n_inner": 16384, "n_head": 32,
    "num_query_groups": 8, "n_layer": 42, "vocab_size": 70144, "n_positions": 8192})");
  CHECK(shell.n_head_kv(0) == 8);
  CHECK(shell.attn.bias_qkv);
  const auto plamo = spec_of(R"({"architectures": ["PlamoForCausalLM"], "hidden_size": 5120, "intermediate_size": 13824,
    "num_attention_heads": 40, "num_hidden_layers": 40, "n_shared_head": 8, "vocab_size": 50432, "max_position_embeddings": 4096})");
  CHECK(plamo.n_head_kv(0) == 5);
  const auto refact = spec_of(R"({"architectures": ["GPTRefactForCausalLM"], "n_embd": 2048, "n_head": 32, "n_layer": 32,
    "vocab_size": 49216, "n_positions": 4096, "multi_query": true})");
  CHECK(refact.n_head_kv(0) == 1);
  CHECK(refact.n_ff(0) == 5632);
}
