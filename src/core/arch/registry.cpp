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
