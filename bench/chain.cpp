// chain [Google Benchmark's options]: each link of the chain by itself, on the compiled-in data, which catalogue_time
// loads (docs/performance.md).

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "canirun/core/evaluate.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/gguf.hpp"
#include "canirun/formats/plan_cards.hpp"
#include "formats/gguf_writer.hpp"

using namespace canirun;

namespace {

template <typename T>
T or_exit(Result<T> result)
{
  if (result) return *std::move(result);
  std::fprintf(stderr, "chain: %s\n", result.error().message.c_str());
  std::exit(2);
}

const Catalogue& catalogue()
{
  static const auto one = or_exit(Catalogue::builtin());
  return one;
}

const CatalogueEntry& entry(const char* id)
{
  const auto* found = catalogue().find(id);
  if (found != nullptr) return *found;
  std::fprintf(stderr, "chain: the catalogue has no model %s\n", id);
  std::exit(2);
}

const GpuTable& gpus()
{
  static const auto one = or_exit(GpuTable::builtin());
  return one;
}

HardwareProfile machine(const char* card, std::uint64_t ram_gib)
{
  HardwareProfile p;
  p.cpu.physical_cores = p.cpu.usable_cores = 8;
  p.cpu.isa = {"avx2"};
  p.memory.total = Bytes{ram_gib << 30};
  if (*card != '\0') p.gpus = or_exit(gpus().lookup(card, std::nullopt)).gpus;
  return p;
}

void plan_tensors(benchmark::State& state, const char* id)
{
  const auto& spec = entry(id).spec;
  for (auto _ : state) benchmark::DoNotOptimize(tensor_plan(spec, FileType::Q4_K_M));
}
BENCHMARK_CAPTURE(plan_tensors, llama_8b, "llama-3.1-8b")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(plan_tensors, deepseek_v3, "deepseek-v3")->Unit(benchmark::kMicrosecond);

/// All rows of a model on one machine.
void rows(benchmark::State& state, const char* id, const char* card)
{
  const auto& model = entry(id);
  const auto hardware = machine(card, 64);
  std::size_t n = 0;
  for (auto _ : state) n += evaluate(model.spec, model.facts, hardware, {}).quants.size();
  state.counters["rows"] = benchmark::Counter(static_cast<double>(n), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(rows, llama_8b_cpu, "llama-3.1-8b", "")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(rows, llama_8b_gpu, "llama-3.1-8b", "RTX 4090")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(rows, llama_70b_split, "llama-3.3-70b", "RTX 4090")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(rows, gpt_oss_experts, "gpt-oss-120b", "RTX 4090")->Unit(benchmark::kMicrosecond);

/// The best row of every text model, as `--all` asks for it.
void all_models(benchmark::State& state, const char* card)
{
  const auto hardware = machine(card, 64);
  Question question;
  question.best_only = true;
  for (auto _ : state) {
    for (const auto& e : catalogue().entries()) benchmark::DoNotOptimize(evaluate(e.spec, e.facts, hardware, question));
  }
}
BENCHMARK_CAPTURE(all_models, cpu, "")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(all_models, gpu, "RTX 4090")->Unit(benchmark::kMillisecond);

/// One model on machines that differ in RAM and memory of the card: what a fleet of unlike machines pays for each.
void machines(benchmark::State& state, const char* card)
{
  const auto& model = entry("llama-3.1-8b");
  Evaluation evaluation(model.spec, model.facts, {});
  auto hardware = machine(card, 32);
  std::size_t n = 0;
  for (auto _ : state) {
    hardware.memory.total->count += std::uint64_t{1} << 20;
    n += evaluation.on(hardware).quants.size();
  }
  state.counters["rows"] = benchmark::Counter(static_cast<double>(n), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(machines, cpu, "")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(machines, gpu, "RTX 4090")->Unit(benchmark::kMicrosecond);

void plan_a_machine(benchmark::State& state, const char* id)
{
  const auto cards = plan_cards(gpus());
  const auto host = machine("", 64);
  for (auto _ : state) benchmark::DoNotOptimize(plan_hardware(entry(id).spec, FileType::Q4_K_M, {}, {}, host, cards));
}
BENCHMARK_CAPTURE(plan_a_machine, llama_70b, "llama-3.3-70b")->Unit(benchmark::kMillisecond);

/// A file as large as the largest published ones: 61 layers of 384 experts, a vocabulary of 163,840 tokens.
void gguf_header(benchmark::State& state)
{
  const TemporaryFolder folder;
  const auto file = folder / "large.gguf";
  const auto& spec = entry("kimi-k2").spec;
  GgufWriter writer;
  writer.string("general.architecture", "deepseek2");
  writer.u32("deepseek2.block_count", spec.n_layer);
  writer.u32("deepseek2.context_length", spec.n_ctx_train);
  writer.u32("deepseek2.embedding_length", spec.n_embd);
  writer.u32("deepseek2.attention.head_count", spec.n_head(0));
  writer.u32("deepseek2.attention.head_count_kv", 1);
  writer.u32("deepseek2.attention.key_length", static_cast<std::uint32_t>(spec.head_dim_k));
  writer.u32("deepseek2.attention.value_length", static_cast<std::uint32_t>(spec.head_dim_v));
  writer.u32("deepseek2.attention.q_lora_rank", spec.mla->q_lora_rank);
  writer.u32("deepseek2.attention.kv_lora_rank", spec.mla->kv_lora_rank);
  writer.u32("deepseek2.attention.key_length_mla", spec.mla->qk_nope_head_dim + spec.mla->qk_rope_head_dim);
  writer.u32("deepseek2.attention.value_length_mla", spec.mla->v_head_dim);
  writer.u32("deepseek2.rope.dimension_count", spec.mla->qk_rope_head_dim);
  writer.u32("deepseek2.feed_forward_length", spec.n_ff(0));
  writer.u32("deepseek2.expert_count", spec.moe->n_expert);
  writer.u32("deepseek2.expert_used_count", spec.moe->n_expert_used);
  writer.u32("deepseek2.expert_shared_count", spec.moe->n_expert_shared);
  writer.u32("deepseek2.expert_feed_forward_length", spec.moe->n_ff_expert);
  writer.u32("deepseek2.leading_dense_block_count", spec.moe->n_layer_dense_lead);
  writer.u32("deepseek2.vocab_size", spec.n_vocab);
  writer.strings("tokenizer.ggml.tokens", spec.n_vocab);
  const auto plan = tensor_plan(spec, FileType::Q4_K_M);
  for (const auto& t : plan.tensors) {
    std::vector<std::uint64_t> shape(t.ne.begin(), t.ne.end());
    while (shape.size() > 1 && shape.back() == 1) shape.pop_back();
    writer.tensor(plan.name(t), shape, static_cast<std::uint32_t>(t.type), t.bytes().count);
  }
  writer.write(file);
  for (auto _ : state) benchmark::DoNotOptimize(or_exit(read_gguf(file)));
}
BENCHMARK(gguf_header)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
