#include "canirun/core/evaluate.hpp"
#include "canirun/formats/catalogue.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

Figure figure(double value, std::string unit)
{
  Figure f;
  f.value = value;
  f.unit = std::move(unit);
  f.source = "test";
  return f;
}

/// A machine with RAM of known or unknown bandwidth and GPUs like an RTX 4090.
HardwareProfile machine(std::uint64_t ram_gib, bool bandwidth, std::size_t n_gpus)
{
  HardwareProfile hardware;
  hardware.cpu.physical_cores = 8;
  hardware.cpu.isa = {"avx2"};
  hardware.memory.total = Bytes{ram_gib << 30};
  if (bandwidth) hardware.memory.bandwidth = figure(50e9, "B/s");
  for (std::size_t i = 0; i < n_gpus; ++i) {
    Gpu gpu;
    gpu.name = "RTX 4090";
    gpu.vendor = "NVIDIA";
    gpu.architecture = "Ada";
    gpu.backends = {"cuda"};
    gpu.from_table = true;
    gpu.memory_total = figure(24.0 * 1073741824.0, "B");
    gpu.bandwidth = figure(1008e9, "B/s");
    gpu.fp16_tflops = figure(330.4, "TFLOP/s");
    gpu.fp32_tflops = figure(82.6, "TFLOP/s");
    hardware.gpus.push_back(gpu);
  }
  return hardware;
}

}  // namespace

TEST_CASE("the best row alone is the best of all rows: the catalogue without GPUs, every fifth model with them",
          "[catalogue][evaluate]")
{
  const auto catalogue = Catalogue::builtin();
  REQUIRE(catalogue);
  for (const auto& hardware : {machine(64, true, 0), machine(16, false, 0), machine(24, false, 1), machine(128, true, 2)}) {
    // A search over GPUs takes ten times as long.
    const std::size_t step = hardware.gpus.empty() ? 1 : 5;
    for (std::size_t i = 0; i < catalogue->entries().size(); i += step) {
      const auto& entry = catalogue->entries()[i];
      Question question;
      const auto full = evaluate(entry.spec, {}, hardware, question);
      question.best_only = true;
      const auto best = evaluate(entry.spec, {}, hardware, question);
      CAPTURE(entry.spec.id, hardware.gpus.size());
      REQUIRE(best.grade == full.grade);
      REQUIRE(best.best.has_value() == full.best.has_value());
      if (!best.best) continue;
      REQUIRE(best.quants.size() == 1);
      const auto& a = best.quants.front();
      const auto& b = full.quants[*full.best];
      CHECK(a.quant == b.quant);
      CHECK(a.grade.letter == b.grade.letter);
      CHECK(a.memory == b.memory);
      CHECK(a.max_ctx == b.max_ctx);
      CHECK(a.command == b.command);
      CHECK(a.notes == b.notes);
    }
  }
}
