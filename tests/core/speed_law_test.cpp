#include "speed_law.hpp"

#include "arch/models.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

TokenWork eight_billion_q4_k()
{
  TokenWork w;
  w.bytes[static_cast<std::size_t>(QuantFamily::k)] = 4.6e9;
  w.weights[static_cast<std::size_t>(QuantFamily::k)] = 7.5e9;
  w.resident_bytes = 4.6e9;
  w.layers = 32;
  return w;
}

Gpu card(double bandwidth, double tflops, std::string architecture)
{
  Gpu gpu;
  gpu.vendor = "NVIDIA";
  gpu.architecture = std::move(architecture);
  gpu.bandwidth.emplace();
  gpu.bandwidth->value = bandwidth;
  gpu.fp32_tflops.emplace();
  gpu.fp32_tflops->value = tflops;
  return gpu;
}

double seconds(const Gpu& gpu, const TokenWork& work)
{
  return token_time(work, gpu_rates(gpu, Backend::cuda).value(), speed_constants(), true).total();
}

}  // namespace

TEST_CASE("a token takes at least the time to read its weights once", "[speed]")
{
  const auto work = eight_billion_q4_k();
  // 4.6 GB at 1008 GB/s: 4.56 ms; a third more for unpacking and launches is what cards of this class show.
  const auto t = seconds(card(1008e9, 82.6, "Ada"), work);
  CHECK(t > 4.56e-3);
  CHECK(t < 8.5e-3);
}

TEST_CASE("more bandwidth and more compute never slow a token down", "[speed]")
{
  const auto work = eight_billion_q4_k();
  for (const auto* arch : {"Pascal", "Turing", "Ampere", "Ada", "Blackwell", ""}) {
    CHECK(seconds(card(600e9, 20, arch), work) <= seconds(card(500e9, 20, arch), work));
    CHECK(seconds(card(500e9, 30, arch), work) <= seconds(card(500e9, 20, arch), work));
  }
}

TEST_CASE("a deeper cache costs more, most of all without flash attention", "[speed]")
{
  auto work = eight_billion_q4_k();
  const auto rates = gpu_rates(card(936e9, 35.6, "Ampere"), Backend::cuda).value();
  const auto empty = token_time(work, rates, speed_constants(), true).total();
  work.cache_bytes = 1e9;
  const auto full = token_time(work, rates, speed_constants(), true).total();
  CHECK(full > empty + 1e9 / 936e9);
  CHECK(token_time(work, rates, speed_constants(), false).total() > full);
}

TEST_CASE("a card without a known bandwidth has no rates", "[speed]")
{
  auto gpu = card(0, 10, "Ada");
  CHECK_FALSE(gpu_rates(gpu, Backend::cuda));
  gpu.bandwidth.reset();
  CHECK_FALSE(gpu_rates(gpu, Backend::cuda));
}

TEST_CASE("cores that may not be used do not count, and a stated bandwidth is not assumed", "[speed]")
{
  HardwareProfile machine;
  machine.cpu.physical_cores = 16;
  machine.cpu.usable_cores = 2;
  machine.cpu.isa = {"avx2"};
  const auto assumed = cpu_rates(machine);
  CHECK(assumed.cores == 2);
  CHECK(assumed.assumed);
  CHECK(assumed.bandwidth == Approx(22e9));  // two cores, 11 GB/s each
  machine.memory.bandwidth.emplace();
  machine.memory.bandwidth->value = 50e9;
  machine.memory.bandwidth->confidence = FigureConfidence::measured;
  CHECK_FALSE(cpu_rates(machine).assumed);
  CHECK(cpu_rates(machine).bandwidth == 50e9);
}

TEST_CASE("weights that a backend has no kernels for are read from RAM by the CPU", "[speed]")
{
  // llama.cpp keeps TQ2_0 in RAM beside a CUDA card, whose supports_op refuses it, and on a Vulkan card uses it there.
  const auto model = llama_3_1_8b();
  const auto plan = tensor_plan(model, FileType::TQ2_0);
  HardwareProfile machine;
  machine.gpus.push_back(card(936e9, 35.6, "Ampere"));
  machine.cpu.physical_cores = 8;
  machine.memory.bandwidth.emplace();
  machine.memory.bandwidth->value = 50e9;
  Placement on_card;
  on_card.mode = Placement::Mode::gpu;
  on_card.gpus = {0};
  on_card.split = {1.0};
  on_card.n_layers = model.n_layer;
  on_card.n_gpu_layers = model.n_layer + 1;
  const auto tps = [&](Backend backend) {
    on_card.backend = backend;
    return estimate_speed(model, plan, {}, on_card, machine).generation_tps.value().estimate;
  };
  double ternary = 0;
  for (const auto& t : plan.tensors) ternary += t.type == TensorType::tq2_0 ? static_cast<double>(t.bytes().count) : 0;
  CHECK(tps(Backend::cuda) < 50e9 / ternary);
  CHECK(tps(Backend::vulkan) > 3 * tps(Backend::cuda));
}

TEST_CASE("GPUs in a row overlap the micro-batches of a prompt, never perfectly", "[speed]")
{
  const auto& c = speed_constants();
  CHECK(pipelined_share(1, c, {4096, 512}) == 1.0);
  CHECK(pipelined_share(4, c, {512, 512}) == 1.0);  // one micro-batch: nothing to overlap
  CHECK(pipelined_share(4, c, {1024, 512}) < 1.0);
  CHECK(pipelined_share(4, c, {32768, 512}) < pipelined_share(4, c, {1024, 512}));
  CHECK(pipelined_share(4, c, {32768, 512}) > 0.25);
}

TEST_CASE("logits are made for the last token of a prompt alone", "[speed]")
{
  auto work = eight_billion_q4_k();
  const auto rates = gpu_rates(card(936e9, 35.6, "Ampere"), Backend::cuda).value();
  const auto all = prompt_time(work, rates, speed_constants(), {512, 512});
  work.output_weights[static_cast<std::size_t>(QuantFamily::k)] = 0.5e9;
  CHECK(prompt_time(work, rates, speed_constants(), {512, 512}) < all);
}

TEST_CASE("a prompt is never faster than reading the weights once a micro-batch", "[speed]")
{
  const auto work = eight_billion_q4_k();
  CpuRates cpu{.bandwidth = 50e9, .assumed = false, .cores = 8, .speedup = 1};
  const auto& c = speed_constants();
  CHECK(prompt_time(work, cpu, c, {1, 512}) >= 4.6e9 / 50e9);
  CHECK(prompt_time(work, cpu, c, {1024, 512}) > prompt_time(work, cpu, c, {512, 512}));
}
