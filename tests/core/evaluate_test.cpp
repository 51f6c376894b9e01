#include "canirun/core/evaluate.hpp"

#include "canirun/core/improve.hpp"
#include "canirun/core/plan.hpp"
#include "catch.hpp"
#include "quantize.hpp"
#include "memory_cache.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

/// Llama 3.1 8B (config.json of the published model): grouped-query attention, 8 KV heads of 128.
ModelSpec llama_8b()
{
  ModelSpec m;
  m.id = "llama-3.1-8b";
  m.name = "Llama 3.1 8B";
  m.arch = "llama";
  m.n_ctx_train = 131072;
  m.n_layer = 32;
  m.n_embd = 4096;
  m.n_vocab = 128256;
  m.n_head = 32;
  m.n_head_kv = 8;
  m.n_ff = 14336;
  m.head_dim_k = m.head_dim_v = m.n_rot = 128;
  m.rope_freqs = true;
  return m;
}

/// Mixtral 8x7B: 8 experts, 2 used.
ModelSpec mixtral()
{
  auto m = llama_8b();
  m.id = "mixtral-8x7b";
  m.n_vocab = 32000;
  m.n_ctx_train = 32768;
  m.rope_freqs = false;
  m.moe = MoeSpec{};
  m.moe->n_expert = 8;
  m.moe->n_expert_used = 2;
  m.moe->n_ff_expert = 14336;
  return m;
}

Figure figure(double value, std::string unit)
{
  Figure f;
  f.value = value;
  f.unit = std::move(unit);
  f.source = "test";
  return f;
}

Gpu card(double gib, double gbs = 936, double tflops = 35.6)
{
  Gpu gpu;
  gpu.name = "RTX test";
  gpu.vendor = "NVIDIA";
  gpu.architecture = "Ampere";
  gpu.backends = {"cuda"};
  gpu.from_table = true;
  gpu.memory_total = figure(gib * 1073741824.0, "B");
  gpu.bandwidth = figure(gbs * 1e9, "B/s");
  gpu.fp32_tflops = figure(tflops, "TFLOP/s");
  gpu.fp16_tflops = figure(4 * tflops, "TFLOP/s");
  return gpu;
}

HardwareProfile machine(Bytes ram, std::vector<Gpu> gpus = {})
{
  HardwareProfile hardware;
  hardware.cpu.model = "test CPU";
  hardware.cpu.physical_cores = 8;
  hardware.cpu.isa = {"avx2"};
  hardware.memory.total = ram;
  hardware.memory.bandwidth = figure(50e9, "B/s");
  hardware.gpus = std::move(gpus);
  return hardware;
}

Question asking(FileType type, std::uint32_t n_ctx = 8192)
{
  Question q;
  q.quants = {type};
  q.workload.n_ctx = n_ctx;
  return q;
}

QuantReport row(const ModelSpec& model, const HardwareProfile& hardware, const Question& question)
{
  const auto report = evaluate(model, {}, hardware, question);
  REQUIRE(report.quants.size() == 1);
  return report.quants.front();
}

}  // namespace

TEST_CASE("a card that holds everything gets everything", "[evaluate]")
{
  const auto r = row(llama_8b(), machine(64_GiB, {card(24)}), asking(FileType::Q4_K_M));
  CHECK(r.placement.mode == Placement::Mode::gpu);
  CHECK(r.placement.n_gpu_layers == 33);
  CHECK(r.fits);
  CHECK(r.grade.letter == Letter::S);
  CHECK(r.command.find("-ngl 33") != std::string::npos);
  // 8B Q4_K_M on an RTX 3090: 112 t/s measured with builds of 2024, 130 to 150 with later ones.
  REQUIRE(r.speed.generation_tps.has_value());
  CHECK(r.speed.generation_tps->low < 112);
  CHECK(r.speed.generation_tps->high > 140);
}

TEST_CASE("layers that a card cannot hold stay in RAM, and fewer fit on a smaller card", "[evaluate]")
{
  const auto six = row(llama_8b(), machine(64_GiB, {card(6)}), asking(FileType::Q8_0));
  CHECK(six.placement.mode == Placement::Mode::split);
  CHECK(six.placement.n_gpu_layers > 0);
  CHECK(six.placement.n_gpu_layers < 33);
  const auto four = row(llama_8b(), machine(64_GiB, {card(4)}), asking(FileType::Q8_0));
  CHECK(four.placement.n_gpu_layers < six.placement.n_gpu_layers);
  REQUIRE((four.speed.generation_tps && six.speed.generation_tps));
  CHECK(four.speed.generation_tps->estimate < six.speed.generation_tps->estimate);
}

TEST_CASE("of a mixture of experts the experts go to RAM first", "[evaluate]")
{
  const auto r = row(mixtral(), machine(128_GiB, {card(12)}), asking(FileType::Q4_K_M));
  CHECK(r.fits);
  CHECK(r.placement.n_cpu_moe > 0);
  CHECK(r.placement.n_gpu_layers == 33);
  CHECK(r.command.find("cpu-moe") != std::string::npos);
}

TEST_CASE("several cards are used together and the report says so", "[evaluate]")
{
  const auto r = row(llama_8b(), machine(64_GiB, {card(12), card(12)}), asking(FileType::F16));
  CHECK(r.fits);
  CHECK(r.placement.gpus == std::vector<std::size_t>{0, 1});
  CHECK(r.notes.front() == "needs 2 GPUs");
  CHECK(r.command.find("--tensor-split") != std::string::npos);
  // The shares in the command line are layers; all 33 of them.
  const auto at = r.command.find("--tensor-split ") + 15;
  const auto first = std::stoi(r.command.substr(at)), second = std::stoi(r.command.substr(r.command.find(',', at) + 1));
  CHECK(first + second == 33);
}

TEST_CASE("a stated placement is obeyed, and graded F where it does not fit", "[evaluate]")
{
  auto question = asking(FileType::Q8_0);
  question.placement.n_gpu_layers = 10;
  const auto ten = row(llama_8b(), machine(64_GiB, {card(24)}), question);
  CHECK(ten.placement.n_gpu_layers == 10);
  CHECK(ten.fits);

  question.placement.n_gpu_layers = -1;
  const auto all = row(llama_8b(), machine(64_GiB, {card(6)}), question);
  CHECK(all.placement.n_gpu_layers == 33);
  CHECK_FALSE(all.fits);
  CHECK(all.grade.letter == Letter::F);
  CHECK(all.speed.generation_tps.has_value());
  CHECK(all.command.empty());
}

TEST_CASE("what fits nowhere says so", "[evaluate]")
{
  const auto r = row(llama_8b(), machine(4_GiB), asking(FileType::F16));
  CHECK(r.placement.mode == Placement::Mode::none);
  CHECK_FALSE(r.fits);
  CHECK(r.grade.letter == Letter::F);
  CHECK(r.max_ctx == std::nullopt);
}

TEST_CASE("a row fits exactly when no device is overdrawn", "[evaluate][property]")
{
  for (const double vram : {0.0, 2.0, 5.0, 6.5, 8.0, 12.0, 24.0}) {
    for (const auto ram : {4_GiB, 9_GiB, 32_GiB}) {
      const auto hardware = machine(ram, vram > 0 ? std::vector{card(vram)} : std::vector<Gpu>{});
      for (const auto& r : evaluate(llama_8b(), {}, hardware, {}).quants) {
        bool overdrawn = false;
        MemoryParts sum;
        for (const auto& d : r.devices) {
          overdrawn = overdrawn || d.headroom_bytes() < 0;
          sum += d.parts;
        }
        CAPTURE(vram, to_gib(ram).value, name(r.quant));
        CHECK(r.fits == !overdrawn);
        CHECK(sum == r.memory);
        CHECK((r.grade.letter == Letter::F) == !r.fits);
      }
    }
  }
}

TEST_CASE("more memory, bandwidth or compute never grades worse", "[evaluate][property]")
{
  for (const auto type : {FileType::Q2_K, FileType::Q4_K_M, FileType::Q8_0, FileType::F16}) {
    for (const auto& model : {llama_8b(), mixtral()}) {
      auto last = Letter::F;
      for (const double vram : {2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 48.0}) {
        const auto letter = row(model, machine(64_GiB, {card(vram)}), asking(type)).grade.letter;
        CAPTURE(model.id, name(type), vram);
        CHECK(letter >= last);
        last = letter;
      }
      last = Letter::F;
      for (const double gbs : {50.0, 100.0, 300.0, 900.0, 3000.0}) {
        const auto letter = row(model, machine(64_GiB, {card(24, gbs, 20)}), asking(type)).grade.letter;
        CAPTURE(model.id, name(type), gbs);
        CHECK(letter >= last);
        last = letter;
      }
    }
  }
}

TEST_CASE("the largest context fits and the next step does not", "[evaluate]")
{
  const auto hardware = machine(64_GiB, {card(12)});
  const auto r = row(llama_8b(), hardware, asking(FileType::Q8_0));
  REQUIRE(r.max_ctx.has_value());
  CHECK(*r.max_ctx % 256 == 0);
  CHECK(*r.max_ctx < 131072);
  auto question = asking(FileType::Q8_0, *r.max_ctx);
  question.placement.n_gpu_layers = static_cast<std::int32_t>(r.placement.n_gpu_layers);
  CHECK(row(llama_8b(), hardware, question).fits);
  question.workload.n_ctx += 256;
  CHECK_FALSE(row(llama_8b(), hardware, question).fits);
}

TEST_CASE("cached estimates equal fresh ones", "[evaluate]")
{
  const auto model = llama_8b();
  auto plan = declare_tensors(model);
  const TypeChooser chooser(model, plan);
  MemoryCache cache(model, plan, chooser.sites());
  Placement gpu;
  gpu.gpus = {0};
  gpu.split = {1.0};
  gpu.backend = Backend::cuda;
  gpu.n_gpu_layers = 33;
  gpu.n_layers = 32;
  auto split = gpu;
  split.n_gpu_layers = 12;
  const Workload workload;
  for (const auto type : {FileType::Q4_K_M, FileType::F16, FileType::IQ4_XS}) {
    chooser.apply(type, {}, plan.tensors);
    cache.types_changed();
    for (const auto& p : {gpu, split, Placement{}}) {
      const auto cached = cache.estimate(workload, p), fresh = estimate_memory(model, plan, workload, p);
      CHECK(cached.total() == fresh.total());
      CHECK(cached.host == fresh.host);
    }
  }
}

TEST_CASE("only the best row is kept when only that is asked for, and it is the same row", "[evaluate]")
{
  const auto hardware = machine(32_GiB, {card(8)});
  Question question;
  const auto full = evaluate(llama_8b(), {}, hardware, question);
  question.best_only = true;
  const auto best = evaluate(llama_8b(), {}, hardware, question);
  REQUIRE(best.quants.size() == 1);
  REQUIRE(full.best.has_value());
  CHECK(best.quants.front().quant == full.quants[*full.best].quant);
  CHECK(best.quants.front().command == full.quants[*full.best].command);
  CHECK(best.grade == full.grade);
}

TEST_CASE("a model without a plan has no grade and says why", "[evaluate]")
{
  auto model = llama_8b();
  model.arch = "no-such-architecture";
  const auto report = evaluate(model, {}, machine(64_GiB), {});
  CHECK(report.grade == std::nullopt);
  CHECK(report.quants.empty());
  CHECK(report.notes.size() == 1);
}

TEST_CASE("the smallest change raises the grade when it is made", "[evaluate][improve]")
{
  // Q8_0 with 32k context does not fit 12 GiB wholly; shorter contexts do.
  const auto hardware = machine(64_GiB, {card(12)});
  const auto question = asking(FileType::Q8_0, 32768);
  const auto now = row(llama_8b(), hardware, question);
  const auto change = smallest_change(llama_8b(), FileType::Q8_0, hardware, question);
  REQUIRE(change.has_value());
  CHECK(change->letter > now.grade.letter);
  if (change->kind == Improvement::Kind::cache_type) {
    auto changed = question;
    changed.workload.cache_type_k = changed.workload.cache_type_v = TensorType::q8_0;
    CHECK(row(llama_8b(), hardware, changed).grade.letter == change->letter);
  }
  CHECK(smallest_change(llama_8b(), FileType::Q4_K_M, machine(64_GiB, {card(48)}), asking(FileType::Q4_K_M)) == std::nullopt);
}

TEST_CASE("each planned machine, graded, meets the plan", "[plan]")
{
  std::vector<PlanCard> cards;
  for (const double gib : {4.0, 8.0, 12.0, 16.0, 24.0}) cards.push_back({"card", "RTX test", card(gib)});
  const auto question = asking(FileType::Q8_0);
  const Requirement requirement;
  const auto plan = plan_hardware(llama_8b(), FileType::Q8_0, question, requirement, machine(64_GiB), cards);
  REQUIRE_FALSE(plan.machines.empty());
  for (const auto& m : plan.machines) {
    const auto r = row(llama_8b(), m.hardware, question);
    CAPTURE(m.name);
    CHECK(r.grade.letter >= m.grade.letter);
    CHECK(r.grade.letter >= requirement.min_grade);
  }
  for (std::size_t i = 1; i < plan.machines.size(); ++i) CHECK(plan.machines[i].vram >= plan.machines[i - 1].vram);

  // The least card is enough, holding everything, and one GiB less is not.
  REQUIRE(plan.least.vram.has_value());
  const auto gib = to_gib(*plan.least.vram).value;
  auto all_on_card = question;
  all_on_card.placement.n_gpu_layers = -1;
  CHECK(row(llama_8b(), machine(64_GiB, {card(gib, 3000, 100)}), all_on_card).grade.letter >= requirement.min_grade);
  CHECK(row(llama_8b(), machine(64_GiB, {card(gib - 1, 3000, 100)}), all_on_card).grade.letter < requirement.min_grade);
}

TEST_CASE("the best settings reach the goal on this machine", "[plan]")
{
  const auto hardware = machine(64_GiB, {card(12)});
  const auto question = asking(FileType::Q4_K_M);
  const Requirement requirement;
  const auto context = best_settings(llama_8b(), {}, hardware, question, requirement, Goal::context);
  const auto users = best_settings(llama_8b(), {}, hardware, question, requirement, Goal::users);
  REQUIRE((context && users));
  CHECK(context->row.grade.letter >= requirement.min_grade);
  CHECK(context->workload.n_ctx > 8192);
  CHECK(users->workload.n_seq_max > 1);
  CHECK(users->row.fits);
  CHECK(parse_goal("speed") == Goal::speed);
  CHECK(parse_goal("fast") == std::nullopt);
}

TEST_CASE("many machines in one evaluation have the rows that each has alone", "[evaluate][fleet]")
{
  Question question;
  for (const bool best_only : {false, true}) {
    question.best_only = best_only;
    for (const auto& model : {llama_8b(), mixtral()}) {
      Evaluation evaluation(model, {}, question);
      for (const double vram : {24.0, 8.0, 4.0, 12.0, 24.0}) {
        HardwareProfile machine;
        machine.memory.total = 32_GiB;
        machine.gpus = {card(vram)};
        const auto together = evaluation.on(machine), alone = evaluate(model, {}, machine, question);
        REQUIRE(together.quants.size() == alone.quants.size());
        CHECK(together.grade == alone.grade);
        CHECK(together.best == alone.best);
        for (std::size_t i = 0; i < alone.quants.size(); ++i) {
          CAPTURE(vram, model.id, name(alone.quants[i].quant));
          CHECK(together.quants[i].quant == alone.quants[i].quant);
          CHECK(together.quants[i].memory.total() == alone.quants[i].memory.total());
          CHECK(together.quants[i].placement.n_gpu_layers == alone.quants[i].placement.n_gpu_layers);
          CHECK(together.quants[i].max_ctx == alone.quants[i].max_ctx);
        }
      }
    }
  }
}
