#include "architectures.hpp"

#include <algorithm>
#include <array>

namespace canirun {

namespace {

// llama-arch.cpp: LLM_ARCH_NAMES.
constexpr std::string_view k_known[] = {
    "llama",
    "llama4",
    "deci",
    "falcon",
    "grok",
    "gpt2",
    "gptj",
    "gptneox",
    "mpt",
    "baichuan",
    "starcoder",
    "refact",
    "bert",
    "modern-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "neo-bert",
    "jina-bert-v2",
    "jina-bert-v3",
    "eurobert",
    "bloom",
    "stablelm",
    "qwen",
    "qwen2",
    "qwen2moe",
    "qwen2vl",
    "qwen3",
    "qwen3moe",
    "qwen3next",
    "qwen3vl",
    "qwen3vlmoe",
    "qwen35",
    "qwen35moe",
    "qwen4exp",
    "phi2",
    "phi3",
    "phimoe",
    "plamo",
    "plamo2",
    "plamo3",
    "codeshell",
    "orion",
    "internlm2",
    "minicpm",
    "minicpm3",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3n",
    "gemma4",
    "gemma4-assistant",
    "gemma-embedding",
    "starcoder2",
    "mamba",
    "mamba2",
    "maple",
    "jamba",
    "falcon-h1",
    "xverse",
    "command-r",
    "cohere2",
    "cohere2moe",
    "dbrx",
    "olmo",
    "olmo2",
    "olmoe",
    "muse-glimmer",
    "openelm",
    "arctic",
    "deepseek",
    "deepseek2",
    "deepseek2-ocr",
    "deepseek32",
    "deepseek4",
    "chatglm",
    "glm4",
    "glm4moe",
    "glm-dsa",
    "bitnet",
    "t5",
    "t5encoder",
    "jais",
    "jais2",
    "nemotron",
    "nemotron_h",
    "nemotron_h_moe",
    "exaone",
    "exaone4",
    "exaone-moe",
    "rwkv6",
    "rwkv6qwen2",
    "rwkv7",
    "arwkv7",
    "granite",
    "granitemoe",
    "granitehybrid",
    "graniteswitch",
    "granite_swa",
    "chameleon",
    "wavtokenizer-dec",
    "plm",
    "bailingmoe",
    "bailingmoe2",
    "bailingmoe3",
    "dots1",
    "dots3note",
    "arcee",
    "afmoe",
    "laguna",
    "ernie4_5",
    "ernie4_5-moe",
    "hunyuan-moe",
    "hunyuan-dense",
    "hunyuan_vl",
    "hy_v3",
    "hy_v4",
    "smollm3",
    "gpt-oss",
    "lfm2",
    "lfm2moe",
    "dream",
    "smallthinker",
    "llada",
    "llada-moe",
    "seed_oss",
    "grovemoe",
    "apertus",
    "minimax-01",
    "hrm_text",
    "minimax-m2",
    "minimax-m3",
    "cogvlm",
    "rnd1",
    "pangu-embedded",
    "mistral3",
    "eagle3",
    "dflash",
    "mistral4",
    "paddleocr",
    "mimo2",
    "step35",
    "spark2_5",
    "llama-embed",
    "maincoder",
    "kimi-linear",
    "kimi-k3",
    "talkie",
    "mellum",
    "nanbeige",
    "qwen3tts",
    "pockettts",
};

// arch, pattern, dense_first, default_window, fixed_window, chunked
constexpr auto k_swa = std::to_array<SwaRule>({
    {"afmoe", 4},
    {"cohere2", 4},
    {"cohere2moe", 4, true},
    {"deepseek4", 0},
    {"dflash", 0},
    {"dots3note", 0},
    {"exaone-moe", 4, false, 128},
    {"exaone4", 4, false, 4096},
    {"gemma-embedding", 6},
    {"gemma2", 2, false, 4096},
    {"gemma3", 6},
    {"gemma3n", 5},
    {"gemma4", 0},
    {"gemma4-assistant", 0},
    {"gpt-oss", 2},
    {"granite_swa", 0},
    {"laguna", 4, true},
    {"lfm2", 0},
    {"llama4", 4, false, 8192, 8192, true},
    {"maple", 0},
    {"mellum", 4},
    {"mimo2", 0},
    {"modern-bert", 3, true},
    {"muse-glimmer", 4},
    {"olmo2", 4},
    {"plamo3", 8},
    {"smallthinker", 4, true, 0, 4096},
    {"spark2_5", 0},
    {"step35", 0},
});

constexpr auto k_recurrent = std::to_array<RecurrentArch>({
    {"arwkv7", RecurrentRule::all, SsmKind::rwkv7},
    {"bailingmoe3", RecurrentRule::no_kv_heads, SsmKind::kda},
    {"falcon-h1", RecurrentRule::all, SsmKind::mamba2},
    {"granitehybrid", RecurrentRule::no_kv_heads, SsmKind::mamba2},
    {"jamba", RecurrentRule::no_kv_heads, SsmKind::mamba1},
    {"kimi-k3", RecurrentRule::no_kv_heads, SsmKind::kda},
    {"kimi-linear", RecurrentRule::no_kv_heads, SsmKind::kda},
    {"lfm2", RecurrentRule::no_kv_heads, SsmKind::shortconv},
    {"lfm2moe", RecurrentRule::no_kv_heads, SsmKind::shortconv},
    {"mamba", RecurrentRule::all, SsmKind::mamba1},
    {"mamba2", RecurrentRule::all, SsmKind::mamba2},
    {"minimax-01", RecurrentRule::interval, SsmKind::lightning, 8},
    {"nemotron_h", RecurrentRule::no_kv_heads_no_ff, SsmKind::mamba2},
    {"nemotron_h_moe", RecurrentRule::no_kv_heads_no_ff, SsmKind::mamba2},
    {"plamo2", RecurrentRule::no_kv_heads, SsmKind::mamba1},
    {"qwen35", RecurrentRule::interval, SsmKind::gated_delta, 4},
    {"qwen35moe", RecurrentRule::interval, SsmKind::gated_delta, 4},
    {"qwen3next", RecurrentRule::interval, SsmKind::gated_delta, 4},
    {"qwen4exp", RecurrentRule::interval, SsmKind::gated_delta, 4},
    {"rwkv6", RecurrentRule::all, SsmKind::rwkv6},
    {"rwkv6qwen2", RecurrentRule::all, SsmKind::rwkv6},
    {"rwkv7", RecurrentRule::all, SsmKind::rwkv7},
});

template <std::size_t N>
bool is_one_of(std::string_view arch, const std::string_view (&names)[N])
{
  return std::ranges::find(names, arch) != std::end(names);
}

template <typename Row, std::size_t N>
const Row* row_of(const std::array<Row, N>& table, std::string_view arch)
{
  const auto found = std::ranges::find(table, arch, &Row::arch);
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

bool known_architecture(std::string_view arch) { return is_one_of(arch, k_known); }

const SwaRule* swa_rule(std::string_view arch) { return row_of(k_swa, arch); }

std::vector<bool> swa_pattern(std::uint32_t n_layer, std::uint32_t pattern, bool dense_first)
{
  std::vector<bool> local(n_layer, true);
  for (std::uint32_t il = 0; pattern > 0 && il < n_layer; ++il) {
    local[il] = dense_first ? il % pattern != 0 : il % pattern < pattern - 1;
  }
  return local;
}

const RecurrentArch* recurrent_arch(std::string_view arch) { return row_of(k_recurrent, arch); }

bool never_causal(std::string_view arch)
{
  constexpr std::string_view k_archs[] = {"dream", "llada", "llada-moe", "rnd1"};
  return is_one_of(arch, k_archs);
}

bool is_embedding_arch(std::string_view arch)
{
  constexpr std::string_view k_archs[] = {"bert",         "modern-bert",  "nomic-bert", "nomic-bert-moe",  "neo-bert",
                                          "jina-bert-v2", "jina-bert-v3", "eurobert",   "gemma-embedding", "t5encoder",
                                          "llama-embed"};
  return is_one_of(arch, k_archs);
}

bool always_parallel_residual(std::string_view arch)
{
  constexpr std::string_view k_archs[] = {"falcon", "phi2", "command-r", "cohere2", "gptj"};
  return is_one_of(arch, k_archs);
}

}  // namespace canirun
