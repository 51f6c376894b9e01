#include "canirun/core/placement.hpp"

#include "catch.hpp"
#include "machine.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

Gpu card(std::string vendor, double gib, GpuType type = GpuType::discrete)
{
  Gpu gpu;
  gpu.name = vendor + " card";
  gpu.vendor = std::move(vendor);
  gpu.type = type;
  gpu.unified_memory = type == GpuType::integrated;
  gpu.from_table = true;
  Figure total;
  total.value = gib * 1073741824.0;
  total.unit = "B";
  gpu.memory_total = total;
  return gpu;
}

HardwareProfile machine_of(std::vector<Gpu> gpus)
{
  HardwareProfile hardware;
  hardware.memory.total = 64_GiB;
  hardware.gpus = std::move(gpus);
  return hardware;
}

MemoryParts weights(Bytes b)
{
  MemoryParts parts;
  parts.weights = b;
  return parts;
}

}  // namespace

TEST_CASE("the output layer is offloaded first", "[placement]")
{
  Placement p;
  p.gpus = {0};
  p.split = {1.0};
  p.n_gpu_layers = 1;
  CHECK(p.device_of_layer(32, 32) == 0u);
  CHECK(p.device_of_layer(31, 32) == std::nullopt);
  p.n_gpu_layers = 33;
  CHECK(p.device_of_layer(0, 32) == 0u);
  p.n_gpu_layers = 0;
  CHECK(p.device_of_layer(32, 32) == std::nullopt);
}

TEST_CASE("shares given as layer counts put exactly so many layers on each GPU", "[placement]")
{
  Placement p;
  p.gpus = {0, 1, 2};
  p.n_gpu_layers = 33;
  p.split = {11.0 / 33, 10.0 / 33, 12.0 / 33};
  std::vector<int> count(3);
  for (std::uint32_t il = 0; il <= 32; ++il) ++count[p.device_of_layer(il, 32).value()];
  CHECK(count == std::vector<int>{11, 10, 12});
}

TEST_CASE("integrated GPUs are used only where there is no other", "[placement]")
{
  const auto both = machine_of({card("Intel", 16, GpuType::integrated), card("NVIDIA", 24)});
  const auto machine = examine(both, {});
  CHECK(machine.gpus == std::vector<std::size_t>{1});
  CHECK(machine.backend == Backend::cuda);

  const auto laptop = machine_of({card("Intel", 16, GpuType::integrated)});
  CHECK(examine(laptop, {}).gpus == std::vector<std::size_t>{0});
  CHECK(examine(laptop, {}).backend == Backend::vulkan);

  Question cpu_only;
  cpu_only.placement.backend = Backend::cpu;
  CHECK(examine(both, cpu_only).gpus.empty());
}

TEST_CASE("a software renderer and a card of unknown size are not GPUs to use", "[placement]")
{
  auto unknown = card("NVIDIA", 24);
  unknown.memory_total = std::nullopt;
  CHECK(examine(machine_of({card("Mesa", 32, GpuType::cpu), unknown}), {}).gpus.empty());
}

TEST_CASE("headroom is the smallest share left over the devices used", "[placement]")
{
  const auto hardware = machine_of({card("NVIDIA", 24)});
  const auto machine = examine(hardware, {});
  Placement p;
  p.gpus = {0};
  MemoryEstimate need;
  need.gpus = {weights(18_GiB)};
  need.host = weights(1_GiB);
  CHECK(headroom(machine, p, need).share == Approx(0.25));
  need.gpus = {weights(25_GiB)};
  CHECK(headroom(machine, p, need).share < 0);
}

TEST_CASE("what a unified GPU takes is not in RAM's budget a second time", "[placement]")
{
  // 64 GiB: the RAM budget is 64 · 0.94 = 60.16 GiB. The GPU takes 40, the host 10: 10.16 of 60.16 stay free.
  const auto hardware = machine_of({card("AMD", 48, GpuType::integrated)});
  const auto machine = examine(hardware, {});
  Placement p;
  p.gpus = {0};
  MemoryEstimate need;
  need.gpus = {weights(40_GiB)};
  need.host = weights(10_GiB);
  const auto room = headroom(machine, p, need);
  CHECK(room.gpu_share == Approx(8.0 / 48));
  CHECK(room.share == Approx(8.0 / 48).margin(1e-9));
  CHECK(to_gib(room.host_budget).value == Approx(20.16).margin(0.01));

  need.host = weights(21_GiB);
  CHECK(headroom(machine, p, need).share < 0);
}
