#include <algorithm>
#include <map>

#include "arch/arch.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"
#include "catch.hpp"
#include "memory_model.hpp"

using namespace canirun;

namespace {

/// The model with the fewest layers of each architecture that has a graph.
std::map<std::string, ModelSpec> smallest_models()
{
  std::map<std::string, ModelSpec> models;
  const auto catalogue = Catalogue::builtin().value();
  for (const auto& entry : catalogue.entries()) {
    if (unplannable(entry.spec) || !has_graph(entry.spec)) continue;
    const auto [found, is_new] = models.try_emplace(entry.spec.arch, entry.spec);
    if (!is_new && entry.spec.n_layer < found->second.n_layer) found->second = entry.spec;
  }
  return models;
}

void check_shapes(const Graph& graph)
{
  for (const auto id : graph.nodes) {
    const auto& t = graph.tensors[static_cast<std::size_t>(id)];
    const auto src = [&](std::size_t i) -> const GraphTensor& { return graph.tensors[static_cast<std::size_t>(t.src[i])]; };
    if (t.op == Op::mul_mat || t.op == Op::mul_mat_id) REQUIRE(src(0).ne[0] == src(1).ne[0]);
    if (t.op == Op::add || t.op == Op::mul) {
      for (std::size_t i = 0; i < 4; ++i) REQUIRE(t.ne[i] % src(1).ne[i] == 0);
    }
    if (t.view_src >= 0) REQUIRE(t.view_offs + n_bytes(t) <= n_bytes(graph.tensors[static_cast<std::size_t>(t.view_src)]));
  }
}

/// In the file, loaded, and never used by llama.cpp.
bool idle(const ModelSpec& m, const TensorPlan& plan, const PlannedTensor& t, bool flash_attn)
{
  const auto name = plan.name(t);
  if (m.sparse && !flash_attn && name.find(".indexer.") != name.npos) return true;  // MiniMax-M3 attends to everything then
  if (name.starts_with("rope_f") || name.starts_with("cls")) return true;  // one of two sets; heads work after this graph
  if (m.arch == "rwkv7") return name.starts_with("blk.0.time_mix_v");        // the first layer has no value residual
  if (m.attn_res_block_size > 0 && name == "blk.0.attn_res_score.weight") return true;  // nothing is kept before the first layer
  const bool reads_another_cache = t.layer + m.n_layer_kv_shared >= m.n_layer;
  return reads_another_cache && m.n_layer_kv_shared > 0 &&
         (name.find("attn_k") != name.npos || name.find("attn_v") != name.npos);
}

void check_weights_are_used(const ModelSpec& model, const TensorPlan& plan, const Graph& graph, bool flash_attn)
{
  std::vector<bool> used(plan.tensors.size());
  for (const auto id : graph.leafs) {
    const auto& t = graph.tensors[static_cast<std::size_t>(id)];
    if (t.leaf == Leaf::weight) used[static_cast<std::size_t>(t.weight)] = true;
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    const auto& t = plan.tensors[i];
    if (!t.loaded || idle(model, plan, t, flash_attn)) continue;
    CAPTURE(plan.name(t));
    CHECK(used[i]);
  }
}

}  // namespace

TEST_CASE("graphs of every architecture are consistent and use each weight", "[graph][catalogue]")
{
  for (const auto& [arch, model] : smallest_models()) {
    const auto plan = tensor_plan(model, FileType::Q4_K_M);
    for (const bool flash_attn : {true, false}) {
      for (const auto n_seq_max : {1u, 3u}) {
        CAPTURE(arch, model.id, flash_attn, n_seq_max);
        Workload workload;
        workload.n_ctx = 4096;
        workload.n_seq_max = n_seq_max;
        GraphRequest request;
        request.shape = resolve(workload, model);
        request.flash_attn = flash_attn;
        const auto graph = build_graph(model, plan, request);
        check_shapes(graph);
        check_weights_are_used(model, plan, graph, flash_attn);
      }
    }
  }
}

TEST_CASE("layers that are left out of a graph leave its buffers as they are", "[graph][catalogue]")
{
  for (const auto& [arch, model] : smallest_models()) {
    const auto plan = tensor_plan(model, FileType::Q4_K_M);
    auto whole = plan;  // no layer is like another: none is left out
    for (std::size_t il = 0; il < whole.layer_kinds.size(); ++il) whole.layer_kinds[il] = il;
    const auto n_layers = model.n_layer + model.n_layer_nextn;
    for (const auto n_gpu_layers : {0u, n_layers / 2, n_layers + 1}) {
      for (const auto backend : {Backend::cuda, Backend::vulkan}) {
        Placement placement;
        placement.n_layers = n_layers;
        if (n_gpu_layers > 0) {
          placement.backend = backend;
          placement.gpus = {0};
          placement.split = {1};
          placement.n_gpu_layers = n_gpu_layers;
        }
        Workload workload;
        workload.n_ctx = 8192;
        const auto devices = schedule_request(model, workload, placement);
        for (const bool flash_attn : {true, false}) {
          CAPTURE(arch, model.id, n_gpu_layers, name(backend), flash_attn);
          const auto folded = compute_bytes(model, plan, workload, flash_attn, devices);
          const auto unfolded = compute_bytes(model, whole, workload, flash_attn, devices);
          CHECK(folded.buffers == unfolded.buffers);
          CHECK(folded.alive == unfolded.alive);
        }
      }
    }
  }
}
