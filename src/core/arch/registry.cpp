#include "arch/registry.hpp"

#include <algorithm>

#include "arch/families.hpp"

namespace canirun {
namespace {

// clang-format off
constexpr std::array k_architectures{
    Architecture{"gemma", build_gemma},
    Architecture{"gemma2", build_gemma2},
    Architecture{"gemma3", build_gemma3},
    Architecture{"gemma-embedding", build_gemma_embedding},
    Architecture{"llama", build_llama},
    Architecture{"chameleon", build_chameleon},
    Architecture{"phi3", build_phi3},
    Architecture{"qwen2", build_qwen2},
    Architecture{"qwen3", build_qwen3},
    Architecture{"qwen3moe", build_qwen3moe},
    Architecture{"deepseek", build_deepseek},
    Architecture{"deepseek2-ocr", build_deepseek2_ocr},
    Architecture{"deepseek2", build_deepseek2},
    Architecture{"mistral4", build_mistral4},
    Architecture{"deepseek32", build_deepseek32},
    Architecture{"glm-dsa", build_glm_dsa},
    Architecture{"deepseek4", build_deepseek4},
    Architecture{"dots1", build_dots1},
    Architecture{"bailingmoe", build_bailingmoe},
    Architecture{"bailingmoe2", build_bailingmoe2},
    Architecture{"bailingmoe3", build_bailingmoe3},
    Architecture{"hunyuan-dense", build_hunyuan_dense},
    Architecture{"hunyuan-moe", build_hunyuan_moe},
    Architecture{"ernie4_5", build_ernie4_5},
    Architecture{"ernie4_5-moe", build_ernie4_5_moe},
    Architecture{"chatglm", build_chatglm},
    Architecture{"glm4", build_glm4},
    Architecture{"glm4moe", build_glm4moe},
    Architecture{"dbrx", build_dbrx},
    Architecture{"arctic", build_arctic},
    Architecture{"minicpm3", build_minicpm3},
    Architecture{"plm", build_plm},
    Architecture{"gpt-oss", build_gpt_oss},
    Architecture{"llama4", build_llama4},
    Architecture{"grok", build_grok},
    Architecture{"internlm2", build_plain},
    Architecture{"xverse", build_plain},
    Architecture{"exaone", build_exaone},
    Architecture{"exaone4", build_exaone4},
    Architecture{"exaone-moe", build_exaone_moe},
    Architecture{"seed_oss", build_seed_oss},
    Architecture{"smollm3", build_smollm3},
    Architecture{"arcee", build_arcee},
    Architecture{"apertus", build_apertus},
    Architecture{"baichuan", build_baichuan},
    Architecture{"orion", build_orion},
    Architecture{"qwen", build_qwen1},
    Architecture{"mistral3", build_mistral3},
    Architecture{"granite", build_granite},
    Architecture{"granitemoe", build_granite},
    Architecture{"minicpm", build_granite},
    Architecture{"granite_swa", build_granite_swa},
    Architecture{"llada", build_diffusion},
    Architecture{"dream", build_diffusion},
    Architecture{"rnd1", build_diffusion_moe},
    Architecture{"llada-moe", build_diffusion_moe},
    Architecture{"maincoder", build_hunyuan_dense},
    Architecture{"pangu-embedded", build_pangu},
    Architecture{"olmo", build_olmo},
    Architecture{"olmo2", build_olmo2},
    Architecture{"olmoe", build_olmoe},
    Architecture{"bitnet", build_bitnet},
    Architecture{"gpt2", build_gpt2},
    Architecture{"starcoder", build_gpt2},
    Architecture{"mpt", build_mpt},
    Architecture{"bloom", build_bloom},
    Architecture{"gptneox", build_gptneox},
    Architecture{"falcon", build_falcon},
    Architecture{"starcoder2", build_starcoder2},
    Architecture{"nemotron", build_nemotron},
    Architecture{"phi2", build_phi2},
    Architecture{"stablelm", build_stablelm},
    Architecture{"command-r", build_command_r},
    Architecture{"cohere2", build_cohere2},
    Architecture{"qwen2moe", build_qwen2moe},
    Architecture{"minimax-m2", build_minimax_m2},
    Architecture{"afmoe", build_afmoe},
    Architecture{"hy_v3", build_hy_v3},
    Architecture{"laguna", build_laguna},
    Architecture{"mimo2", build_mimo2},
    Architecture{"step35", build_step35},
    Architecture{"qwen2vl", build_qwen2vl},
    Architecture{"qwen3vl", build_qwen3vl},
    Architecture{"qwen3vlmoe", build_qwen3vl},
    Architecture{"mamba", build_mamba},
    Architecture{"mamba2", build_mamba},
    Architecture{"falcon-h1", build_falcon_h1},
    Architecture{"granitehybrid", build_granite_hybrid},
    Architecture{"jamba", build_jamba},
    Architecture{"nemotron_h", build_nemotron_h},
    Architecture{"nemotron_h_moe", build_nemotron_h},
    Architecture{"qwen3next", build_qwen3next},
    Architecture{"qwen35", build_qwen35},
    Architecture{"qwen35moe", build_qwen35},
    Architecture{"lfm2", build_lfm2},
    Architecture{"lfm2moe", build_lfm2},
    Architecture{"phimoe", build_phimoe},
    Architecture{"deci", build_deci},
    Architecture{"bert", build_bert},
    Architecture{"nomic-bert", build_bert},
    Architecture{"nomic-bert-moe", build_bert},
    Architecture{"jina-bert-v2", build_bert},
    Architecture{"jina-bert-v3", build_bert},
    Architecture{"modern-bert", build_modern_bert},
    Architecture{"eurobert", build_eurobert},
    Architecture{"neo-bert", build_neo_bert},
    Architecture{"gemma4", build_gemma4},
    Architecture{"gemma3n", build_gemma3n},
    Architecture{"grovemoe", build_grovemoe},
    Architecture{"smallthinker", build_smallthinker},
    Architecture{"minimax-01", build_minimax_01},
    Architecture{"minimax-m3", build_minimax_m3},
    Architecture{"kimi-linear", build_kimi_linear},
    Architecture{"kimi-k3", build_kimi_k3},
    Architecture{"t5", build_t5},
    Architecture{"plamo2", build_plamo2},
    Architecture{"t5encoder", build_t5encoder},
    Architecture{"rwkv6", build_rwkv6},
    Architecture{"rwkv6qwen2", build_rwkv6qwen2},
    Architecture{"arwkv7", build_arwkv7},
    Architecture{"rwkv7", build_rwkv7},
    Architecture{"codeshell", build_codeshell},
    Architecture{"jais", build_jais},
    Architecture{"refact", build_refact},
    Architecture{"plamo", build_plamo},
    Architecture{"plamo3", build_plamo3},
    Architecture{"openelm", build_openelm},
    Architecture{"paddleocr", build_paddleocr},
    Architecture{"spark2_5", build_spark2_5},
    Architecture{"muse-glimmer", build_muse_glimmer},
    Architecture{"cohere2moe", build_cohere2moe},
    Architecture{"mellum", build_mellum},
    Architecture{"maple", build_maple},
    Architecture{"cogvlm", build_cogvlm},
    Architecture{"talkie", build_talkie},
    Architecture{"jais2", build_nemotron},
    Architecture{"llama-embed", build_llama_embed},
    Architecture{"hunyuan_vl", build_hunyuan_vl},
};
// clang-format on

}  // namespace

const Architecture* find_architecture(std::string_view name)
{
  const auto found = std::ranges::find(k_architectures, name, &Architecture::name);
  return found == k_architectures.end() ? nullptr : &*found;
}

bool is_known_architecture(const ModelSpec& model) { return find_architecture(model.arch) != nullptr; }

bool has_graph(const ModelSpec& model)
{
  const auto* arch = find_architecture(model.arch);
  return arch && arch->has_graph;
}

Graph build_graph(const ModelSpec& model, const TensorPlan& plan, const GraphRequest& request)
{
  Graph graph;
  build_graph(model, plan, request, graph);
  return graph;
}

void build_graph(const ModelSpec& model, const TensorPlan& plan, const GraphRequest& request, Graph& graph)
{
  graph.clear();
  Builder builder(model, plan, request, graph);
  find_architecture(model.arch)->build(builder);
}

}  // namespace canirun
