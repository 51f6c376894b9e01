#include "quantize.hpp"

#include "arch/tensor_name.hpp"

#include <algorithm>
#include <numeric>

#include "catch.hpp"
#include "core/quant_types.hpp"

using namespace canirun;
using namespace canirun::testing;

namespace {

/// The common decoder in GGUF names: enough to check the mixes without the architectures.
struct Shape {
  std::string arch;
  std::uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_expert = 0;
  bool tied = false;
  std::uint32_t rope_freqs = 0;
};

MoeSpec experts(std::uint32_t n)
{
  MoeSpec moe;
  moe.n_expert = n;
  return moe;
}

void add(TensorPlan& plan, const std::string& name, std::array<std::uint64_t, 4> ne)
{
  NamedTensors(plan, "llama").append(name).ne = ne;
}

TensorPlan decoder(const Shape& s, std::initializer_list<const char*> norms, bool qkv_bias = false)
{
  TensorPlan plan;
  const std::uint64_t d = s.n_embd, q = std::uint64_t{s.n_head} * s.head_dim, kv = std::uint64_t{s.n_head_kv} * s.head_dim;
  add(plan, "token_embd.weight", {d, s.n_vocab, 1, 1});
  add(plan, "output_norm.weight", {d, 1, 1, 1});
  if (!s.tied) add(plan, "output.weight", {d, s.n_vocab, 1, 1});
  if (s.rope_freqs > 0) add(plan, "rope_freqs.weight", {s.rope_freqs, 1, 1, 1});
  for (std::uint32_t il = 0; il < s.n_layer; ++il) {
    const auto blk = "blk." + std::to_string(il) + ".";
    for (const auto* norm : norms) add(plan, blk + norm + ".weight", {d, 1, 1, 1});
    add(plan, blk + "attn_q.weight", {d, q, 1, 1});
    add(plan, blk + "attn_k.weight", {d, kv, 1, 1});
    add(plan, blk + "attn_v.weight", {d, kv, 1, 1});
    add(plan, blk + "attn_output.weight", {q, d, 1, 1});
    if (qkv_bias) {
      add(plan, blk + "attn_q.bias", {q, 1, 1, 1});
      add(plan, blk + "attn_k.bias", {kv, 1, 1, 1});
      add(plan, blk + "attn_v.bias", {kv, 1, 1, 1});
    }
    const std::string suffix = s.n_expert > 0 ? "_exps.weight" : ".weight";
    const std::uint64_t n = s.n_expert > 0 ? s.n_expert : 1;
    if (s.n_expert > 0) add(plan, blk + "ffn_gate_inp.weight", {d, n, 1, 1});
    add(plan, blk + "ffn_gate" + suffix, {d, s.n_ff, n, 1});
    add(plan, blk + "ffn_up" + suffix, {d, s.n_ff, n, 1});
    add(plan, blk + "ffn_down" + suffix, {s.n_ff, d, n, 1});
  }
  return plan;
}

ModelSpec spec(const Shape& s)
{
  ModelSpec model;
  model.arch = s.arch;
  model.n_layer = s.n_layer;
  model.n_embd = s.n_embd;
  model.n_head = s.n_head;
  model.n_head_kv = s.n_head_kv;
  if (s.n_expert > 0) model.moe = experts(s.n_expert);
  return model;
}

struct Case {
  std::string id;
  ModelSpec model;
  TensorPlan plan;
};

std::vector<Case> cases()
{
  const std::initializer_list<const char*> two = {"attn_norm", "ffn_norm"};
  std::vector<Case> list;
  const auto with = [&](const char* id, const Shape& s, std::initializer_list<const char*> norms, bool bias = false) {
    list.push_back({id, spec(s), decoder(s, norms, bias)});
  };
  with("llama-2-7b", {"llama", 32, 4096, 32, 32, 128, 11008, 32000}, two);
  with("llama-2-70b", {"llama", 80, 8192, 64, 8, 128, 28672, 32000}, two);
  with("llama-3.1-8b", {"llama", 32, 4096, 32, 8, 128, 14336, 128256, 0, false, 64}, two);
  with("mixtral-8x7b", {"llama", 32, 4096, 32, 8, 128, 14336, 32000, 8}, two);
  with("smollm2-135m", {"llama", 30, 576, 9, 3, 64, 1536, 49152, 0, true}, two);
  with("qwen2.5-0.5b", {"qwen2", 24, 896, 14, 2, 64, 4864, 151936, 0, true}, two, true);
  with("gemma-2-2b", {"gemma2", 26, 2304, 8, 4, 256, 9216, 256000, 0, true},
       {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"});
  return list;
}

std::uint64_t bytes(const TensorPlan& plan)
{
  return std::accumulate(plan.tensors.begin(), plan.tensors.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const PlannedTensor& t) { return sum + t.bytes().count; });
}

TensorType type_of(const TensorPlan& plan, const std::string& name)
{
  const auto* found = plan.find(name);
  REQUIRE(found);
  return found->type;
}

}  // namespace

TEST_CASE("the mixes of common decoders are those of llama-quantize", "[quantize]")
{
  const auto records = read_quant_records(CANIRUN_TEST_DIR "/data/quant-types.csv");
  for (auto& c : cases()) {
    int checked = 0;
    const TypeChooser chooser(c.model, c.plan);
    for (const auto& r : records) {
      if (r.model != c.id) continue;
      CAPTURE(r.model, name(r.file_type), r.imatrix);
      chooser.apply(r.file_type, {.imatrix = r.imatrix}, c.plan.tensors);
      CHECK(tensors_by_type(c.plan.tensors) == r.tensors_by_type);
      CHECK(bytes(c.plan) == r.tensor_bytes);
      ++checked;
    }
    CHECK(checked >= 30);
  }
}

TEST_CASE("integer tables and vectors are never quantised", "[quantize]")
{
  ModelSpec model;
  model.n_layer = 1;
  TensorPlan plan;
  add(plan, "blk.0.ffn_gate_tid2eid.weight", {6, 129280, 1, 1});
  plan.tensors.back().type = TensorType::i32;
  add(plan, "blk.0.attn_sinks.weight", {64, 1, 1, 1});
  add(plan, "blk.0.exp_probs_b.bias", {256, 1, 1, 1});
  for (const auto type : all_file_types()) {
    choose_tensor_types(model, type, {}, plan);
    CHECK(plan.tensors[0].type == TensorType::i32);
    CHECK(plan.tensors[1].type == TensorType::f32);
    CHECK(plan.tensors[2].type == TensorType::f32);
  }
}

TEST_CASE("experts published in MXFP4 stay so in converted files", "[quantize]")
{
  ModelSpec model;
  model.n_layer = 1;
  model.moe = experts(32);
  model.arch = "gpt-oss";
  model.native_type = FileType::MXFP4_MOE;
  TensorPlan plan;
  add(plan, "blk.0.ffn_up_exps.weight", {2880, 2880, 32, 1});
  add(plan, "blk.0.attn_q.weight", {2880, 4096, 1, 1});
  choose_tensor_types(model, FileType::BF16, {}, plan);
  CHECK(type_of(plan, "blk.0.ffn_up_exps.weight") == TensorType::mxfp4);
  CHECK(type_of(plan, "blk.0.attn_q.weight") == TensorType::bf16);
  choose_tensor_types(model, FileType::MXFP4_MOE, {}, plan);
  CHECK(type_of(plan, "blk.0.ffn_up_exps.weight") == TensorType::mxfp4);
  CHECK(type_of(plan, "blk.0.attn_q.weight") == TensorType::q8_0);
}

TEST_CASE("rows that are not whole blocks fall back to smaller blocks, then to F16", "[quantize]")
{
  ModelSpec model;
  model.n_layer = 8;
  TensorPlan plan;
  add(plan, "output.weight", {4544, 65024, 1, 1});
  add(plan, "blk.3.attn_q.weight", {4544, 4544, 1, 1});
  add(plan, "blk.3.attn_k.weight", {4000 + 16, 64, 1, 1});
  choose_tensor_types(model, FileType::Q4_K_M, {}, plan);
  CHECK(type_of(plan, "output.weight") == TensorType::q8_0);
  CHECK(type_of(plan, "blk.3.attn_q.weight") == TensorType::q5_0);
  CHECK(type_of(plan, "blk.3.attn_k.weight") == TensorType::f16);
}
