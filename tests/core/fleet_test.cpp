#include "canirun/core/fleet.hpp"

#include <algorithm>
#include <random>

#include "catch.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

HardwareProfile machine(Bytes ram, const std::string& gpu = "", double gib = 24)
{
  HardwareProfile p;
  p.host.arch = "x86_64";
  p.cpu.physical_cores = 8;
  p.memory.total = ram;
  if (gpu.empty()) return p;
  Gpu g;
  g.name = gpu;
  g.vendor = "NVIDIA";
  g.memory_total = Figure{gib * (1 << 30), "B", "test", FigureConfidence::reported, {}};
  p.gpus = {g};
  return p;
}

FleetCell cell(Letter letter)
{
  FleetCell c;
  c.grade = letter;
  c.fits = letter > Letter::F;
  return c;
}

/// A fleet whose class `c` has one machine and runs the models of `runs[c]`.
Fleet fleet_of(std::size_t n_models, const std::vector<std::vector<std::size_t>>& runs)
{
  Fleet fleet;
  fleet.classes.resize(runs.size());
  for (auto& c : fleet.classes) c.machines = 1;
  fleet.models.resize(n_models);
  for (auto& m : fleet.models) {
    m.cells.resize(runs.size());
    for (auto& c : m.cells) c = cell(Letter::F);
  }
  for (std::size_t c = 0; c < runs.size(); ++c) {
    for (const auto m : runs[c]) fleet.models[m].cells[c] = cell(Letter::A);
  }
  return fleet;
}

bool covers_all(const Fleet& fleet, const std::vector<std::size_t>& classes)
{
  return std::ranges::all_of(fleet.models, [&](const FleetModel& m) {
    const auto runs = [&](std::size_t c) { return fleet.runs(m.cells[c]); };
    return std::ranges::any_of(classes, runs) || std::ranges::none_of(m.cells, [&](const FleetCell& c) { return fleet.runs(c); });
  });
}

}  // namespace

TEST_CASE("machines that differ in what is only theirs are one class", "[fleet]")
{
  ClassFolder folder(BudgetKind::capacity);
  auto one = machine(64_GiB, "RTX 4090"), other = one;
  other.memory.total->count -= 3 << 20;
  other.memory.available = 5_GiB;
  other.host.kernel = "6.12";
  other.gpus[0].uuid = "GPU-1";
  other.gpus[0].pci_address = "0000:02:00.0";
  other.gpus[0].memory_total->value -= 12 << 20;
  folder.add(one);
  folder.add(other);
  const auto classes = folder.classes();
  REQUIRE(classes.size() == 1);
  CHECK(classes[0].machines == 2);
  CHECK(classes[0].hardware.memory.total == other.memory.total);
  CHECK(classes[0].hardware.gpus[0].memory_total->value == other.gpus[0].memory_total->value);
  CHECK_FALSE(classes[0].hardware.gpus[0].uuid);
}

TEST_CASE("what changes an answer makes another class", "[fleet]")
{
  std::vector<HardwareProfile> all{machine(64_GiB, "RTX 4090")};
  const auto differ = [&](auto change) {
    all.push_back(all.front());
    change(all.back());
  };
  differ([](HardwareProfile& p) { p.memory.total = 32_GiB; });
  differ([](HardwareProfile& p) { p.memory.limit = 16_GiB; });
  differ([](HardwareProfile& p) { p.cpu.usable_cores = 4; });
  differ([](HardwareProfile& p) { p.cpu.isa = {"avx2"}; });
  differ([](HardwareProfile& p) { p.gpus.push_back(p.gpus[0]); });
  differ([](HardwareProfile& p) { p.gpus.clear(); });
  differ([](HardwareProfile& p) { p.gpus[0].memory_total->value /= 2; });
  differ([](HardwareProfile& p) { p.gpus[0].bandwidth = Figure{1e12, "B/s", "test", FigureConfidence::table, {}}; });
  differ([](HardwareProfile& p) { p.gpus[0].unified_memory = true; });
  differ([](HardwareProfile& p) { p.gpus[0].backends = {"vulkan"}; });
  ClassFolder folder(BudgetKind::capacity);
  for (const auto& p : all) folder.add(p);
  CHECK(folder.classes().size() == all.size());
}

TEST_CASE("what is free now makes a class only where it is asked for", "[fleet]")
{
  for (const auto budget : {BudgetKind::capacity, BudgetKind::free}) {
    ClassFolder folder(budget);
    auto p = machine(64_GiB, "RTX 4090");
    for (const auto available : {60_GiB, 20_GiB}) {
      p.memory.available = available;
      folder.add(p);
    }
    CHECK(folder.classes().size() == (budget == BudgetKind::free ? 2 : 1));
  }
}

TEST_CASE("classes do not depend on the order of machines, repeated hosts among them", "[fleet][property]")
{
  std::vector<HardwareProfile> all;
  std::mt19937 random(3);
  for (int i = 0; i < 60; ++i) {
    auto p = machine(Bytes{(std::uint64_t{16} << (30 + i % 3)) - random() % (64u << 20)}, i % 2 ? "RTX 4090" : "", 24 - i % 4 * 0.01);
    if (i % 4) p.host.name = "node-" + std::to_string(i % 23);
    p.cpu.model = "CPU " + std::to_string(i % 5);
    all.push_back(std::move(p));
  }
  const auto classes_of = [&] {
    ClassFolder folder(BudgetKind::capacity);
    for (const auto& p : all) folder.add(p);
    return folder.classes();
  };
  const auto first = classes_of();
  for (int round = 0; round < 20; ++round) {
    std::ranges::shuffle(all, random);
    const auto again = classes_of();
    REQUIRE(again.size() == first.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
      CHECK(again[i].id == first[i].id);
      CHECK(again[i].machines == first[i].machines);
      CHECK(again[i].hosts == first[i].hosts);
      CHECK(again[i].hardware == first[i].hardware);
    }
  }
}

TEST_CASE("the smallest set of classes is found where greed would take more", "[fleet]")
{
  // Greedy takes {1,2,3,4} first and then needs both others.
  const auto fleet = fleet_of(6, {{1, 2, 3, 4}, {0, 1, 2}, {3, 4, 5}});
  const auto cover = smallest_cover(fleet);
  CHECK(cover.exact);
  CHECK(cover.classes == std::vector<std::size_t>{1, 2});
  CHECK(cover.uncovered.empty());
}

TEST_CASE("models that no class runs are named, and the first of equal classes is taken", "[fleet]")
{
  const auto cover = smallest_cover(fleet_of(3, {{}, {0, 2}, {0, 2}, {0}}));
  CHECK(cover.classes == std::vector<std::size_t>{1});
  CHECK(cover.uncovered == std::vector<std::size_t>{1});
  CHECK(smallest_cover(fleet_of(2, {{}, {}})).classes.empty());
}

TEST_CASE("every set of classes covers, and no smaller one does where it is exact", "[fleet][property]")
{
  std::mt19937 random(11);
  for (int round = 0; round < 40; ++round) {
    const std::size_t n_classes = round < 30 ? 8 : 40, n_models = 12;
    std::vector<std::vector<std::size_t>> runs(n_classes);
    for (auto& r : runs) {
      for (std::size_t m = 0; m < n_models; ++m) {
        if (random() % 4 == 0) r.push_back(m);
      }
    }
    const auto fleet = fleet_of(n_models, runs);
    const auto cover = smallest_cover(fleet);
    CHECK(covers_all(fleet, cover.classes));
    if (n_classes > 8) continue;
    CHECK(cover.exact);
    std::size_t fewest = n_classes;
    for (unsigned set = 0; set < 1u << n_classes; ++set) {
      std::vector<std::size_t> classes;
      for (std::size_t c = 0; c < n_classes; ++c) {
        if ((set >> c & 1) != 0) classes.push_back(c);
      }
      if (classes.size() < fewest && covers_all(fleet, classes)) fewest = classes.size();
    }
    CHECK(cover.classes.size() == fewest);
  }
}

TEST_CASE("an upgrade counts machines that run more and never those that run less", "[fleet]")
{
  auto fleet = fleet_of(2, {{0}, {}, {0, 1}});
  fleet.classes[1].machines = 5;
  // Columns 3 and 4: a machine that runs both, one that runs only model 1.
  for (auto& m : fleet.models) m.cells.resize(5, cell(Letter::F));
  for (auto& m : fleet.models) m.cells[3] = cell(Letter::A);
  fleet.models[1].cells[4] = cell(Letter::A);
  fleet.upgrades = {{UpgradeOption::Kind::more_ram, "other card", {}}, {UpgradeOption::Kind::more_ram, "both", {}}};
  fleet.upgraded_columns = {{4, 4, std::nullopt}, {3, 3, 3}};
  const auto effects = upgrade_effects(fleet);
  REQUIRE(effects.size() == 2);
  CHECK(effects[0].upgrade == 1);
  CHECK(effects[0].machines == 6);
  CHECK(effects[0].more == 11);
  CHECK(effects[1].classes == std::vector<std::size_t>{1});  // class 0 would lose model 0
}

TEST_CASE("soldered memory is not upgraded", "[fleet]")
{
  auto mac = machine(16_GiB, "Apple M2", 10);
  mac.gpus[0].vendor = "Apple";
  mac.gpus[0].unified_memory = true;
  mac.gpus[0].type = GpuType::integrated;
  for (const auto kind : {UpgradeOption::Kind::more_ram, UpgradeOption::Kind::another_gpu, UpgradeOption::Kind::gpu})
    CHECK_FALSE(upgraded(mac, {kind, "", Gpu{}}));
  CHECK(upgraded(machine(16_GiB), {UpgradeOption::Kind::more_ram, "", {}})->memory.total == 32_GiB);
  CHECK_FALSE(upgraded(machine(16_GiB), {UpgradeOption::Kind::another_gpu, "", {}}));
}
