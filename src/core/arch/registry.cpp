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
    Architecture{"phi3", build_phi3},
    Architecture{"qwen2", build_qwen2},
    Architecture{"qwen3", build_qwen3},
    Architecture{"qwen3moe", build_qwen3moe},
    Architecture{"deepseek", build_deepseek},
    Architecture{"deepseek2-ocr", build_deepseek2_ocr},
    Architecture{"deepseek2", build_deepseek2},
    Architecture{"mistral4", build_mistral4},
    Architecture{"dots1", build_dots1},
    Architecture{"bailingmoe", build_bailingmoe},
    Architecture{"bailingmoe2", build_bailingmoe2},
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
};
// clang-format on

}  // namespace

const Architecture* find_architecture(std::string_view name)
{
  const auto found = std::ranges::find(k_architectures, name, &Architecture::name);
  return found == k_architectures.end() ? nullptr : &*found;
}

bool has_graph(const ModelSpec& model)
{
  const auto* arch = find_architecture(model.arch);
  return arch && arch->has_graph;
}

Graph build_graph(const ModelSpec& model, const TensorPlan& plan, const GraphRequest& request)
{
  Graph graph;
  Builder builder(model, plan, request, graph);
  find_architecture(model.arch)->build(builder);
  return graph;
}

}  // namespace canirun
