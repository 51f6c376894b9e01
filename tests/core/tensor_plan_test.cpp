#include "canirun/core/tensor_plan.hpp"

#include <algorithm>

#include "arch/models.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

/// The file that llama-quantize would write, as the GGUF reader gives it.
ModelSpec as_file(ModelSpec model, FileType type)
{
  const auto plan = tensor_plan(model, type);
  for (const auto& t : plan.tensors) {
    model.tensors.push_back({plan.name(t), t.type, {t.ne.begin(), t.ne.end()}});
  }
  std::ranges::reverse(model.tensors);
  return model;
}

}  // namespace

TEST_CASE("a plan has as many parameters as the published model", "[plan]")
{
  struct Row {
    ModelSpec model;
    std::uint64_t n_params;
  };
  // Published: parameter counts of the Hugging Face checkpoints, tied embeddings counted once.
  const Row rows[] = {{llama_2_7b(), 6'738'415'616},
                      {llama_2_70b(), 68'976'648'192},
                      {llama_3_1_8b(), 8'030'261'248},
                      {mixtral_8x7b(), 46'702'792'704},
                      {qwen2_5_7b(), 7'615'616'512},
                      {qwen2_5_0_5b(), 494'032'768},
                      {qwen3_8b(), 8'190'735'360},
                      {qwen3_30b_a3b(), 30'532'122'624},
                      {gemma_2b(), 2'506'172'416},
                      {gemma_2_9b(), 9'241'705'984},
                      {gemma_3_12b(), 11'766'034'176},
                      {phi_3_5_mini(), 3'821'079'552},
                      {mamba_130m(), 129'135'360},
                      {mamba2_2_7b(), 2'702'599'680},
                      {granite_4_h_micro(), 3'191'396'096},
                      {kimi_linear_48b(), 49'122'681'728},
                      {minimax_m3(), 426'174'572'928},
                      {rwkv6_7b(), 7'635'746'816},
                      {t5_v1_1_xxl_encoder(), 4'762'310'656},
                      {flan_t5_large(), 783'150'080},
                      {minimax_text_01(), 456'089'655'296},
                      {jina_v2_base(), 137'368'320 - 768 * 768 - 768}};  // less the pooler, which files leave out
  for (const auto& row : rows) {
    CAPTURE(row.model.arch, row.model.n_embd);
    CHECK(tensor_plan(row.model, FileType::F16).n_params() == row.n_params);
  }
}

TEST_CASE("llama-2-70b at Q4_K_M takes the bytes that llama-quantize reports", "[plan]")
{
  // llama.cpp v0.5.0 on a file of these shapes: 41422143488 bytes of tensors; 7B at Q2_K: 2532122624.
  CHECK(tensor_plan(llama_2_70b(), FileType::Q4_K_M).total_bytes() == Bytes{41'422'143'488});
  CHECK(tensor_plan(llama_2_7b(), FileType::Q2_K).total_bytes() == Bytes{2'532'122'624});
}

TEST_CASE("SmallThinker's files have the sizes that their publisher lists", "[plan]")
{
  struct Row {
    FileType type;
    double gib;
  };
  // PowerInfer/SmallThinker-4BA0.6B-Instruct-GGUF, in GiB with one decimal; a tied embedding would make F16 7.5.
  for (const auto& [type, gib] : {Row{FileType::F16, 8.0}, Row{FileType::Q8_0, 4.2}, Row{FileType::Q6_K, 3.3},
                                  Row{FileType::Q4_0, 2.3}, Row{FileType::IQ4_NL, 2.3}}) {
    CAPTURE(name(type));
    CHECK(to_gib(tensor_plan(smallthinker_4b(), type).total_bytes()).value == Approx(gib).margin(0.05));
  }
}

TEST_CASE("tensors know where llama.cpp keeps them", "[plan]")
{
  const auto plan = tensor_plan(mixtral_8x7b(), FileType::Q4_K_M);
  CHECK(plan.find("token_embd.weight")->place == TensorPlace::input);
  CHECK(plan.find("output.weight")->place == TensorPlace::output);
  CHECK(plan.find("output_norm.weight")->place == TensorPlace::output);
  const auto* up = plan.find("blk.7.ffn_up_exps.weight");
  REQUIRE(up);
  CHECK(up->place == TensorPlace::repeating);
  CHECK(up->layer == 7);
  CHECK(up->expert);
  CHECK_FALSE(plan.find("blk.7.ffn_gate_inp.weight")->expert);
}

TEST_CASE("a tied embedding is stored once and also serves as the output", "[plan]")
{
  const auto plan = tensor_plan(qwen2_5_0_5b(), FileType::F16);
  CHECK_FALSE(plan.find("output.weight"));
  CHECK(plan.find("token_embd.weight")->duplicated_output);
  CHECK_FALSE(tensor_plan(qwen2_5_7b(), FileType::F16).find("token_embd.weight")->duplicated_output);
}

TEST_CASE("rope factors that every layer uses are in the plan once", "[plan]")
{
  auto model = llama_3_1_8b();
  model.rope_freqs = true;
  const auto plan = tensor_plan(model, FileType::F16);
  CHECK(plan.n_params() == 8'030'261'248 + 64);
  CHECK(std::ranges::count_if(plan.tensors, [&](const auto& t) { return plan.name(t) == "rope_freqs.weight"; }) == 1);
  CHECK(plan.find("rope_freqs.weight")->every_layer);
}

TEST_CASE("a file and the catalogue entry it was made from have the same plan", "[plan][gguf]")
{
  for (const auto& model : {llama_2_7b(), mixtral_8x7b(), qwen2_5_0_5b()}) {
    const auto expected = tensor_plan(model, FileType::Q4_K_M);
    const auto plan = tensor_plan(as_file(model, FileType::Q4_K_M), FileType::F32);
    CHECK(plan.total_bytes() == expected.total_bytes());
    REQUIRE(plan.tensors.size() == expected.tensors.size());
    CHECK(plan.slots == expected.slots);
    CHECK(plan.name(plan.tensors[5]) == expected.name(expected.tensors[5]));
    CHECK(plan.tensors[0].duplicated_output == expected.tensors[0].duplicated_output);
  }
}

TEST_CASE("a file decides which optional tensors exist", "[plan][gguf]")
{
  auto tied = as_file(qwen2_5_0_5b(), FileType::F16);
  tied.tensors.push_back({"output.weight", TensorType::f16, {896, 151936}});  // as Qwen's own files have it
  const auto plan = tensor_plan(tied, FileType::F16);
  CHECK_FALSE(plan.slots.empty());
  CHECK_FALSE(plan.find("token_embd.weight")->duplicated_output);
  CHECK(plan.find("output.weight"));
}

TEST_CASE("a file that lacks a tensor, or has it in another shape, has weights and no graph", "[plan][gguf]")
{
  auto file = as_file(llama_2_7b(), FileType::F16);
  const auto total = tensor_plan(file, FileType::F16).total_bytes();
  REQUIRE(file.tensors[3].name == "blk.31.ffn_up.weight");
  file.tensors[3].shape[1] -= 1;
  CHECK(tensor_plan(file, FileType::F16).slots.empty());
  CHECK(tensor_plan(file, FileType::F16).total_bytes() < total);
  file.tensors.erase(file.tensors.begin() + 3);
  CHECK(tensor_plan(file, FileType::F16).slots.empty());
}

TEST_CASE("a file of an unknown architecture has its weights", "[plan][gguf]")
{
  auto file = as_file(mixtral_8x7b(), FileType::Q4_0);
  file.arch = "an-architecture-of-next-year";
  CHECK_FALSE(unplannable(file));
  const auto plan = tensor_plan(file, FileType::Q4_0);
  CHECK(plan.total_bytes() == tensor_plan(mixtral_8x7b(), FileType::Q4_0).total_bytes());
  CHECK(plan.slots.empty());
  CHECK(plan.find("blk.3.ffn_down_exps.weight")->expert);
  file.tensors.clear();
  CHECK(unplannable(file));
}
