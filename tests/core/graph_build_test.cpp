#include <algorithm>

#include "arch/arch.hpp"
#include "arch/models.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

struct Built {
  TensorPlan plan;
  Graph graph;
};

Built build(const ModelSpec& model, std::uint32_t n_ctx = 4096, bool flash_attn = true, TensorType cache = TensorType::f16,
            std::uint32_t n_seq_max = 1)
{
  Workload w;
  w.n_ctx = n_ctx;
  w.n_seq_max = n_seq_max;
  GraphRequest request;
  request.shape = resolve(w, model);
  request.flash_attn = flash_attn;
  request.v_transposed = !flash_attn;
  request.type_k = request.type_v = cache;
  Built b;
  b.plan = tensor_plan(model, FileType::Q4_K_M);
  b.graph = build_graph(model, b.plan, request);
  return b;
}

std::size_t count(const Graph& graph, Op op)
{
  return static_cast<std::size_t>(
      std::ranges::count_if(graph.nodes, [&](auto id) { return graph.tensors[static_cast<std::size_t>(id)].op == op; }));
}

const GraphTensor& last(const Graph& graph) { return graph.tensors[static_cast<std::size_t>(graph.nodes.back())]; }

}  // namespace

TEST_CASE("the graph of a llama ends in the logits of the micro-batch", "[graph]")
{
  const auto b = build(llama_2_7b());
  const auto& logits = last(b.graph);
  CHECK(logits.op == Op::mul_mat);
  CHECK(logits.ne == std::array<std::uint64_t, 4>{32000, 512, 1, 1});
  CHECK(logits.is_output);
  CHECK(count(b.graph, Op::flash_attn_ext) == 32);
  CHECK(count(b.graph, Op::soft_max) == 0);
  // By hand, a layer: 2 norms of two nodes, q k v with reshapes, 2 ropes, 2 stores of view and set_rows, views of q k v, 3 permutes,
  // attention, reshape, wo, add, gate up glu down, add: 31. Then 2 get_rows in the last layer, one of the tokens, norm of two, logits.
  CHECK(b.graph.nodes.size() == 32 * 31 + 2 + 1 + 2 + 1);
}

TEST_CASE("each weight of the plan is in the graph", "[graph]")
{
  for (const auto& model : each_kind_of_graph()) {
    const auto b = build(model);
    std::vector<bool> used(b.plan.tensors.size());
    for (const auto id : b.graph.leafs) {
      const auto& t = b.graph.tensors[static_cast<std::size_t>(id)];
      if (t.leaf != Leaf::weight) continue;
      used[static_cast<std::size_t>(t.weight)] = true;
      CHECK(t.ne == b.plan.tensors[static_cast<std::size_t>(t.weight)].ne);
    }
    CAPTURE(model.arch);
    // Kimi K3's first layer has no earlier residual stream to score.
    CHECK(std::ranges::count(used, false) == (model.attn_res_block_size > 0 ? 1 : 0));
  }
}

TEST_CASE("matrices meet vectors of their width, and views stay within their tensor", "[graph][property]")
{
  for (const auto& model : each_kind_of_graph()) {
    for (const bool flash_attn : {true, false}) {
      for (const auto cache : {TensorType::f16, TensorType::q8_0}) {
        for (const auto n_seq_max : {1u, 3u}) {
          const auto b = build(model, 4096, flash_attn, cache, n_seq_max);
          CAPTURE(model.arch, flash_attn, traits(cache).name, n_seq_max);
          for (const auto id : b.graph.nodes) {
            const auto& t = b.graph.tensors[static_cast<std::size_t>(id)];
            const auto src = [&](std::size_t i) -> const GraphTensor& {
              return b.graph.tensors[static_cast<std::size_t>(t.src[i])];
            };
            if (t.op == Op::mul_mat || t.op == Op::mul_mat_id) REQUIRE(src(0).ne[0] == src(1).ne[0]);
            if (t.op == Op::add || t.op == Op::mul) {
              for (std::size_t i = 0; i < 4; ++i) REQUIRE(t.ne[i] % src(1).ne[i] == 0);
            }
            if (t.view_src >= 0)
              REQUIRE(t.view_offs + n_bytes(t) <= n_bytes(b.graph.tensors[static_cast<std::size_t>(t.view_src)]));
          }
        }
      }
    }
  }
}

TEST_CASE("without flash attention the scores of every head are a tensor", "[graph]")
{
  const auto b = build(llama_2_7b(), 4096, false);
  CHECK(count(b.graph, Op::flash_attn_ext) == 0);
  REQUIRE(count(b.graph, Op::soft_max) == 32);
  for (const auto id : b.graph.nodes) {
    const auto& t = b.graph.tensors[static_cast<std::size_t>(id)];
    if (t.op == Op::soft_max) CHECK(t.ne == std::array<std::uint64_t, 4>{4096, 512, 32, 1});
  }
}

TEST_CASE("a quantised cache brings the rotations of its heads", "[graph]")
{
  const auto plain = build(llama_2_7b());
  const auto rotated = build(llama_2_7b(), 4096, true, TensorType::q8_0);
  const auto inputs = [](const Graph& g) {
    return std::ranges::count_if(g.leafs, [&](auto id) { return g.tensors[static_cast<std::size_t>(id)].is_input; });
  };
  CHECK(inputs(plain.graph) == 7);  // tokens, vectors, positions, two lists of cells, mask, rows of the output
  CHECK(inputs(rotated.graph) == 9);
}

TEST_CASE("a batch is rounded up to whole sequences", "[graph]")
{
  // 512 tokens of 3 sequences: llama_context::graph_reserve makes them 513.
  const auto b = build(llama_2_7b(), 4096, true, TensorType::f16, 3);
  for (const auto id : b.graph.leafs) {
    const auto& t = b.graph.tensors[static_cast<std::size_t>(id)];
    if (t.is_input && t.type == TensorType::f16) CHECK(t.ne == std::array<std::uint64_t, 4>{1536, 171, 1, 3});
  }
}

TEST_CASE("sparse attention works on blocks only with flash attention and a stream for each sequence", "[graph]")
{
  CHECK(count(build(minimax_m3()).graph, Op::pool_2d) == 57);
  CHECK(count(build(minimax_m3(), 4096, false).graph, Op::pool_2d) == 0);
  Workload w;
  w.n_ctx = 4096;
  w.n_seq_max = 3;
  const auto model = minimax_m3();
  const auto plan = tensor_plan(model, FileType::Q4_K_M);
  for (const bool unified : {true, false}) {
    w.kv_unified = unified;
    GraphRequest request;
    request.shape = resolve(w, model);
    CHECK(count(build_graph(model, plan, request), Op::pool_2d) == (unified ? 0 : 3 * 57));
  }
}

TEST_CASE("a decoder with cross-attention has room for an encoder's output of the training context", "[graph]")
{
  const auto b = build(flan_t5_large());
  std::size_t n_wide = 0;
  for (const auto id : b.graph.nodes) {
    const auto& t = b.graph.tensors[static_cast<std::size_t>(id)];
    n_wide += t.op == Op::mul_mat && t.ne[0] == 1024 && t.ne[1] == 512 && t.src[1] >= 0 &&
              b.graph.tensors[static_cast<std::size_t>(t.src[1])].leaf == Leaf::input;
  }
  CHECK(n_wide == 2 * 24);  // K and V of every layer
  CHECK(b.plan.find("enc.blk.23.attn_q.weight")->layer == 23);
  CHECK(b.plan.find("dec.output_norm.weight")->place == TensorPlace::output);
}
