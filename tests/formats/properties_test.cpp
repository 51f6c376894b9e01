#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/evaluate.hpp"
#include "canirun/core/improve.hpp"
#include "canirun/core/plan.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/gpu_table.hpp"
#include "catch.hpp"

/// \file
/// What must hold of every model on every machine, on a sample of the catalogue and of the GPU table. The strides share no factor with
/// each other, so that every part of both is met. With CANIRUN_PROPERTIES=whole in the environment it is the whole of both (docs/contributing.md).

using namespace canirun;

namespace {

bool whole()
{
  const auto* asked = std::getenv("CANIRUN_PROPERTIES");
  return asked && std::string_view(asked) == "whole";
}
const std::size_t k_model_stride = whole() ? 1 : 29, k_gpu_stride = whole() ? 1 : 23;

const Catalogue& catalogue()
{
  static const auto k_catalogue = Catalogue::builtin();
  REQUIRE(k_catalogue);
  return *k_catalogue;
}

const GpuTable& gpu_table()
{
  static const auto k_table = GpuTable::builtin();
  REQUIRE(k_table);
  return *k_table;
}

std::vector<const CatalogueEntry*> some_models(std::size_t first = 0)
{
  if (whole()) first = 0;
  std::vector<const CatalogueEntry*> models;
  for (std::size_t i = first; i < catalogue().entries().size(); i += k_model_stride) {
    const auto& entry = catalogue().entries()[i];
    if (entry.spec.kind == ModelKind::text && !unplannable(entry.spec)) models.push_back(&entry);
  }
  return models;
}

/// A desktop with 32 GiB of RAM at 45 GB/s and the cards given.
HardwareProfile desktop(const Gpu& gpu, std::size_t count = 1)
{
  HardwareProfile machine;
  machine.cpu.physical_cores = 8;
  machine.cpu.isa = {"avx2"};
  machine.memory.total = Bytes{std::uint64_t{32} << 30};
  machine.memory.bandwidth = Figure{45e9, "B/s", "test", FigureConfidence::measured, {}};
  machine.gpus.assign(count, gpu);
  if (gpu.unified_memory) machine.memory.total = gpu.memory_total->bytes();
  return machine;
}

std::vector<HardwareProfile> some_machines(std::size_t first = 0)
{
  if (whole()) first = 0;
  std::vector<HardwareProfile> machines;
  for (std::size_t i = first; i < gpu_table().entries().size(); i += k_gpu_stride) {
    const auto& entry = gpu_table().entries()[i];
    if (entry.vram_gib.empty() || entry.dies > 1) continue;
    const auto gib = entry.vram_gib.front();
    const auto gpu = to_gpu(entry, Bytes{static_cast<std::uint64_t>(gib * static_cast<double>(std::uint64_t{1} << 30))});
    machines.push_back(desktop(gpu, i % 2 == 1 && !gpu.unified_memory ? 2 : 1));
  }
  return machines;
}

Question at_8k(FileType quant)
{
  Question question;
  question.workload.n_ctx = 8192;
  question.quants = {quant};
  return question;
}

QuantReport row(const CatalogueEntry& model, const HardwareProfile& machine, const Question& question)
{
  return evaluate(model.spec, model.facts, machine, question).quants.front();
}

void scale(OptionalFigure& figure, double factor)
{
  if (figure) figure->value *= factor;
}

std::string said(const CatalogueEntry& model, const HardwareProfile& machine, const QuantReport& before, const QuantReport& after)
{
  return model.spec.id + " on " + std::to_string(machine.gpus.size()) + " x " + machine.gpus.front().name + ": " +
         std::string(name(before.grade.letter)) + " becomes " + std::string(name(after.grade.letter));
}

}  // namespace

TEST_CASE("more bandwidth, compute or memory never lowers the grade", "[properties]")
{
  using Change = void (*)(HardwareProfile&);
  const std::pair<const char*, Change> changes[] = {
      {"bandwidth",
       [](HardwareProfile& m) {
         for (auto& g : m.gpus) scale(g.bandwidth, 1.4);
       }},
      {"compute",
       [](HardwareProfile& m) {
         for (auto& g : m.gpus) {
           scale(g.fp32_tflops, 1.5);
           scale(g.fp16_tflops, 1.5);
         }
       }},
      {"video memory",
       [](HardwareProfile& m) {
         for (auto& g : m.gpus) scale(g.memory_total, 1.3);
         if (m.gpus.front().unified_memory) m.memory.total->count += m.memory.total->count / 10 * 3;
       }},
      {"RAM", [](HardwareProfile& m) { m.memory.total->count += m.memory.total->count / 2; }},
      {"RAM bandwidth", [](HardwareProfile& m) { scale(m.memory.bandwidth, 2); }},
      {"cores", [](HardwareProfile& m) { m.cpu.physical_cores = 16; }},
  };
  std::size_t i = 0;
  for (const auto* model : some_models()) {
    const auto question = at_8k(i % 2 ? FileType::Q4_K_M : FileType::Q8_0);
    Evaluation evaluation(model->spec, model->facts, question);
    for (const auto& machine : some_machines(i++ % k_gpu_stride)) {
      const auto before = evaluation.on(machine).quants.front();
      for (const auto& [what, change] : changes) {
        auto better = machine;
        change(better);
        const auto after = evaluation.on(better).quants.front();
        INFO(what << " raised, " << said(*model, machine, before, after));
        CHECK(after.grade.letter >= before.grade.letter);
      }
    }
  }
}

TEST_CASE("more memory on two small cards leaves a mixture its better placement", "[properties]")
{
  // With 2 GiB a card experts in RAM do not fit beside the cache and whole layers go; with more they fit, tightly.
  const auto* model = catalogue().find("gemma-4-26b-a4b");
  const auto* entry = gpu_table().find_id("radeon-rx-560");
  REQUIRE(model);
  REQUIRE(entry);
  for (const auto type : {FileType::Q4_K_M, FileType::Q8_0}) {
    auto grade = Letter::F;
    for (std::uint64_t mib = 1536; mib <= 6144; mib += 128) {
      const auto now = row(*model, desktop(to_gpu(*entry, Bytes{mib << 20}), 2), at_8k(type)).grade.letter;
      INFO(name(type) << " in 2 x " << mib << " MiB");
      CHECK(now >= grade);
      grade = now;
    }
  }
}

TEST_CASE("at the same placement a smaller file type never lowers the memory letter", "[properties]")
{
  std::size_t i = 3;
  for (const auto* model : some_models(3)) {
    auto question = at_8k(FileType::F16);
    const auto types = default_file_types();
    question.quants.assign(types.begin(), types.end());
    question.placement.n_gpu_layers = -1;
    Evaluation evaluation(model->spec, model->facts, question);
    for (const auto& machine : some_machines(i++ % k_gpu_stride)) {
      auto rows = evaluation.on(machine).quants;
      std::ranges::stable_sort(rows, {}, [](const QuantReport& r) { return r.file_bytes.count; });
      for (std::size_t k = 1; k < rows.size(); ++k) {
        INFO(said(*model, machine, rows[k], rows[k - 1]) << " from " << name(rows[k].quant) << " to " << name(rows[k - 1].quant));
        CHECK(rows[k - 1].grade.memory >= rows[k].grade.memory);
      }
    }
  }
}

TEST_CASE("every planned machine, graded, meets the plan", "[properties][plan]")
{
  std::vector<PlanCard> cards;
  for (const auto& m : some_machines(5)) cards.push_back({m.gpus.front().name, m.gpus.front().name, m.gpus.front()});
  const Requirement requirements[] = {{Letter::B, std::nullopt}, {Letter::D, 25.0}, {Letter::S, std::nullopt}};
  std::size_t i = 0;
  for (const auto* model : some_models(7)) {
    const auto& requirement = requirements[i++ % std::size(requirements)];
    const auto question = at_8k(FileType::Q4_K_M);
    const auto host = desktop(cards.front().gpu);
    const auto plan = plan_hardware(model->spec, FileType::Q4_K_M, question, requirement, host, cards);
    for (const auto& machine : plan.machines) {
      const auto graded = row(*model, machine.hardware, question);
      INFO(model->spec.id << " on " << machine.name);
      CHECK(graded.grade.letter >= requirement.min_grade);
      REQUIRE(graded.speed.generation_tps);
      CHECK(graded.speed.generation_tps->estimate >= requirement.min_speed.value_or(0));
    }
  }
}

TEST_CASE("no GPU reads weights faster than its bandwidth", "[properties][speed]")
{
  const auto* model = catalogue().find("llama-3.1-8b");
  REQUIRE(model);
  for (const auto type : {FileType::Q2_K, FileType::Q4_0, FileType::F16}) {
    auto question = at_8k(type);
    question.workload.depth = 0;
    question.placement.n_gpu_layers = -1;
    const auto plan = tensor_plan(model->spec, type);
    double read = 0;
    for (const auto& t : plan.tensors) read += t.place == TensorPlace::input ? 0 : static_cast<double>(t.bytes().count);
    for (const auto& entry : gpu_table().entries()) {
      if (entry.vram_gib.empty()) continue;
      const auto machine = desktop(to_gpu(entry, Bytes{std::uint64_t{80} << 30}));
      const auto speed = row(*model, machine, question).speed;
      if (!speed.generation_tps) continue;
      INFO(entry.id << " " << name(type) << " " << speed.generation_tps->estimate << " t/s");
      CHECK(speed.generation_tps->estimate * read <= machine.gpus.front().bandwidth->value);
      CHECK(speed.generation_tps->high <= 3 * speed.generation_tps->low);
      if (speed.prompt_tps) CHECK(speed.prompt_tps->high <= 3 * speed.prompt_tps->low);
    }
  }
}
