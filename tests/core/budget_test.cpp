#include "canirun/core/evaluate.hpp"
#include "catch.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

Figure bytes(Bytes b)
{
  Figure figure;
  figure.value = static_cast<double>(b.count);
  figure.unit = "B";
  figure.source = "test";
  return figure;
}

HardwareProfile machine_with_ram(Bytes total)
{
  HardwareProfile machine;
  machine.memory.total = total;
  return machine;
}

Gpu card(Bytes total)
{
  Gpu gpu;
  gpu.name = "card";
  gpu.memory_total = bytes(total);
  return gpu;
}

}  // namespace

TEST_CASE("RAM keeps 6 % for the system, at least 1 and at most 8 GiB", "[budget]")
{
  CHECK(host_budget(machine_with_ram(8_GiB), {}) == 7_GiB);
  CHECK(host_budget(machine_with_ram(100_GiB), {}) == Bytes{(100_GiB).count - static_cast<std::uint64_t>(6.0 * 1073741824.0)});
  CHECK(host_budget(machine_with_ram(512_GiB), {}) == 504_GiB);
  CHECK(host_budget(machine_with_ram(512_MiB), {}) == 0_B);
}

TEST_CASE("the smallest limit of a container is the RAM that counts", "[budget]")
{
  auto machine = machine_with_ram(64_GiB);
  machine.memory.limit = 8_GiB;
  CHECK(host_budget(machine, {}) == 7_GiB);
  machine.memory.total = std::nullopt;
  CHECK(host_budget(machine, {}) == 7_GiB);
}

TEST_CASE("a stated reserve replaces the defaults on every device", "[budget]")
{
  const auto machine = machine_with_ram(64_GiB);
  Question question;
  question.reserve = 2_GiB;
  CHECK(host_budget(machine, question) == 62_GiB);
  CHECK(gpu_budget(card(24_GiB), machine, question) == 22_GiB);
}

TEST_CASE("a card keeps what its driver reserves, else 2 % and at least 200 MiB", "[budget]")
{
  const auto machine = machine_with_ram(64_GiB);
  CHECK(gpu_budget(card(8_GiB), machine, {}) == Bytes{(8_GiB).count - (200_MiB).count});
  CHECK(gpu_budget(card(100_GiB), machine, {}) == 98_GiB);

  auto with_nvml = card(24_GiB);
  with_nvml.memory_reserved = bytes(512_MiB);
  CHECK(gpu_budget(with_nvml, machine, {}) == Bytes{(24_GiB).count - (512_MiB).count});

  auto from_table = card(24_GiB);
  from_table.from_table = true;
  CHECK(gpu_budget(from_table, machine, {}) == 24_GiB);
}

TEST_CASE("a card of unknown size has no budget", "[budget]") { CHECK(gpu_budget(Gpu{}, machine_with_ram(64_GiB), {}) == 0_B); }

TEST_CASE("the free budget is what nobody uses now and never above capacity", "[budget]")
{
  auto machine = machine_with_ram(64_GiB);
  machine.memory.available = 20_GiB;
  auto gpu = card(24_GiB);
  gpu.memory_free = bytes(10_GiB);
  Question now;
  now.budget = BudgetKind::free;
  CHECK(host_budget(machine, now) == 20_GiB);
  CHECK(gpu_budget(gpu, machine, now) == 10_GiB);

  gpu.memory_free = bytes(24_GiB);
  CHECK(gpu_budget(gpu, machine, now) == gpu_budget(gpu, machine, {}));
  gpu.memory_free = std::nullopt;
  CHECK(gpu_budget(gpu, machine, now) == gpu_budget(gpu, machine, {}));
}

TEST_CASE("a Mac of the table lends its GPU two thirds up to 36 GiB and three quarters above", "[budget]")
{
  auto mac = card(36_GiB);
  mac.vendor = "Apple";
  mac.unified_memory = true;
  mac.from_table = true;
  CHECK(gpu_budget(mac, machine_with_ram(36_GiB), {}) == 24_GiB);
  mac.memory_total = bytes(64_GiB);
  CHECK(gpu_budget(mac, machine_with_ram(64_GiB), {}) == 48_GiB);
}

TEST_CASE("a unified GPU never gets more than the RAM's own budget and its carve-out", "[budget]")
{
  auto apu = card(120_GiB);
  apu.vendor = "AMD";
  apu.unified_memory = true;
  CHECK(gpu_budget(apu, machine_with_ram(64_GiB), {}) == host_budget(machine_with_ram(64_GiB), {}));

  // Strix Halo with 96 of 128 GiB set aside by firmware: RAM shows 32 GiB, and the carve-out stays usable.
  apu.memory_total = bytes(112_GiB);
  apu.memory_dedicated = bytes(96_GiB);
  CHECK(own_memory(apu) == 96_GiB);
  CHECK(gpu_budget(apu, machine_with_ram(32_GiB), {}) == 112_GiB);
  CHECK(own_memory(card(24_GiB)) == 24_GiB);
}
