#include "canirun/formats/gpu_table.hpp"

#include "catch.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

const GpuTable& builtin()
{
  static const auto table = GpuTable::builtin();
  if (!table) FAIL(table.error().message);
  return *table;
}

/// "id count size-in-GiB", or the error.
std::string looked_up(std::string_view text, std::optional<Bytes> ram = {})
{
  const auto match = builtin().lookup(text, ram);
  if (!match) return match.error().message;
  const auto& gpu = match->gpus.front();
  return *gpu.table_id + " " + std::to_string(match->gpus.size()) + " " +
         std::to_string(static_cast<int>(to_gib(gpu.memory_total->bytes()).value));
}

std::size_t notes(std::string_view text)
{
  const auto match = builtin().lookup(text, {});
  REQUIRE(match);
  return match->notes.size();
}

}  // namespace

TEST_CASE("the GPU table holds the cards that people own", "[formats][gpus]")
{
  CHECK(builtin().entries().size() >= 380);
  for (const auto& entry : builtin().entries()) {
    CAPTURE(entry.id);
    CHECK(entry.bandwidth_gbs.has_value());
    CHECK_FALSE(entry.sources.empty());
    CHECK((entry.unified || !entry.vram_gib.empty()));
  }
}

TEST_CASE("every card is found by its own name, id and aliases", "[formats][gpus]")
{
  for (const auto& entry : builtin().entries()) {
    CAPTURE(entry.id);
    CHECK(builtin().find_id(entry.id) == &entry);
    const auto by_name = builtin().lookup(entry.name, 32_GiB);
    if (!by_name) FAIL(by_name.error().message);
    CHECK(by_name->gpus.front().table_id == entry.id);
    CHECK(by_name->gpus.size() == entry.dies);
    for (const auto& alias : entry.aliases) {
      CAPTURE(alias);
      const auto by_alias = builtin().lookup(alias, 32_GiB);
      if (!by_alias) FAIL(by_alias.error().message);
      CHECK(by_alias->gpus.front().table_id == entry.id);
    }
  }
}

TEST_CASE("cards are found as people type them", "[formats][gpus]")
{
  CHECK(looked_up("RTX 4090") == "geforce-rtx-4090 1 24");
  CHECK(looked_up("rtx4090") == "geforce-rtx-4090 1 24");
  CHECK(looked_up("4090:24G") == "geforce-rtx-4090 1 24");
  CHECK(looked_up("3060 Ti") == "geforce-rtx-3060-ti 1 8");
  CHECK(looked_up("7900 XTX") == "radeon-rx-7900-xtx 1 24");
  CHECK(looked_up("NVIDIA GeForce RTX 4090 Laptop GPU") == "geforce-rtx-4090-laptop-gpu 1 16");
  CHECK(looked_up("RTX 4090 Mobile") == "geforce-rtx-4090-laptop-gpu 1 16");
  CHECK(looked_up("RTX A6000") == "rtx-a6000 1 48");
  CHECK(looked_up("H100 SXM") == "h100-sxm5-80gb 1 80");
  CHECK(looked_up("Strix Halo:128G") == "radeon-8060s-ryzen-ai-max+-395 1 128");
  CHECK(looked_up("DGX Spark") == "gb10-dgx-spark 1 128");
  CHECK(looked_up("RX 7900 XTX") == "radeon-rx-7900-xtx 1 24");
  CHECK(looked_up("MI300X") == "instinct-mi300x 1 192");
  CHECK(looked_up("T4") == "tesla-t4 1 16");
}

TEST_CASE("a size picks among the versions of a card", "[formats][gpus]")
{
  CHECK(looked_up("RTX 3060") == "geforce-rtx-3060 1 12");
  CHECK(looked_up("RTX 3060 12GB") == "geforce-rtx-3060 1 12");
  CHECK(looked_up("RTX 3060:8G") == "geforce-rtx-3060-8gb 1 8");
  CHECK(looked_up("RTX 4060 Ti 16GB") == "geforce-rtx-4060-ti-16gb 1 16");
  CHECK(looked_up("RTX 4060 Ti:16G") == "geforce-rtx-4060-ti-16gb 1 16");
  CHECK(looked_up("M3 Max 64GB") == "apple-m3-max-40-core-gpu 1 64");
  CHECK(looked_up("M3 Max:96G") == "apple-m3-max-30-core-gpu 1 96");
  CHECK(looked_up("A100 40GB") == "a100-sxm4-40gb 1 40");
  // A card with another amount than it is sold with is believed, and said.
  CHECK(looked_up("RTX 4090:48G") == "geforce-rtx-4090 1 48");
  CHECK(notes("RTX 4090:48G") == 1);
}

TEST_CASE("of versions that differ in memory or cores the smallest is taken, with a note", "[formats][gpus]")
{
  CHECK(looked_up("M3 Max") == "apple-m3-max-30-core-gpu 1 36");
  CHECK(notes("M3 Max") >= 1);
  CHECK(looked_up("A100 PCIe") == "a100-pcie-40gb 1 40");
  CHECK(notes("A100 PCIe") == 1);
  CHECK(looked_up("RTX 5060 Ti") == "geforce-rtx-5060-ti 1 8");
  CHECK(notes("RTX 5060 Ti") == 1);
  CHECK(notes("RTX 4090") == 0);
}

TEST_CASE("several cards and boards of several GPUs become several devices", "[formats][gpus]")
{
  CHECK(looked_up("2x RTX 3090") == "geforce-rtx-3090 2 24");
  CHECK(looked_up("4 x RTX 3090:24G") == "geforce-rtx-3090 4 24");
  CHECK(looked_up("Tesla K80") == "tesla-k80 2 12");
}

TEST_CASE("a GPU without memory of its own takes the stated RAM", "[formats][gpus]")
{
  CHECK(looked_up("M4 Max 40-core GPU", 128_GiB) == "apple-m4-max-40-core-gpu 1 128");
  CHECK(looked_up("Radeon 890M", 32_GiB) == "radeon-890m-lpddr5x-7500 1 32");
  CHECK(looked_up("Radeon 890M") ==
        "Radeon 890M (LPDDR5X-7500) shares the machine's memory; state its size as "
        "'Radeon 890M (LPDDR5X-7500):32G' or with --ram");
}

TEST_CASE("a name that fits no card or several is one sentence with the choices", "[formats][gpus]")
{
  CHECK(looked_up("RTX 4091").find("no GPU is called 'RTX 4091'; did you mean GeForce RTX 4090") == 0);
  CHECK(looked_up("RTX 40").find("'RTX 40' can be ") == 0);
  CHECK(looked_up("") == "'' is not the name of a GPU; `canirun gpus` lists all");
  CHECK(looked_up("RTX 4090:lots") == "'RTX 4090:lots': 'lots' is not a memory size like 24G");
  CHECK(looked_up("0x RTX 4090") == "'0x RTX 4090': 1 to 64 GPUs can be stated");
}

TEST_CASE("a PCI id shared by several cards is told apart by the driver's name, then by memory", "[formats][gpus]")
{
  // AMD gives 1002:744c to the RX 7900 XT, XTX, GRE and M (pci.ids).
  CHECK(builtin().find_pci("1002:744c", 24_GiB)->id == "radeon-rx-7900-xtx");
  CHECK(builtin().find_pci("1002:744c", 20_GiB)->id == "radeon-rx-7900-xt");
  CHECK(builtin().find_pci("1002:744c", 16_GiB, "AMD Radeon RX 7900 GRE (RADV NAVI31)")->id == "radeon-rx-7900-gre");
  CHECK(builtin().find_pci("10de:2684", {})->id == "geforce-rtx-4090");
  CHECK(builtin().find_pci("ffff:ffff", {}) == nullptr);
}

TEST_CASE("the table fills what no driver reported and leaves the rest", "[formats][gpus]")
{
  HardwareProfile profile;
  profile.gpus.resize(3);
  profile.gpus[0].name = "NVIDIA GeForce RTX 4090";
  profile.gpus[0].pci_id = "10de:2684";
  profile.gpus[0].bandwidth = Figure{1.0e12, "B/s", "nvml", FigureConfidence::derived, {}};
  profile.gpus[1].name = "Apple M2 Ultra";
  profile.gpus[2].name = "Unheard-of Accelerator";
  fill_from_table(profile, builtin());
  CHECK(profile.gpus[0].table_id == "geforce-rtx-4090");
  CHECK(profile.gpus[0].bandwidth->value == 1.0e12);
  REQUIRE(profile.gpus[0].bandwidth->alternatives.size() == 1);
  CHECK(profile.gpus[0].bandwidth->alternatives[0].value == 1008e9);
  CHECK(profile.gpus[0].fp16_tflops->source == "table:geforce-rtx-4090");
  CHECK(profile.gpus[0].architecture == "Ada");
  CHECK(profile.gpus[1].bandwidth->value == Approx(819.2e9));
  CHECK_FALSE(profile.gpus[2].table_id);
}

namespace {

/// A GPU as the probe leaves it when only PCI knows it, completed from the table.
Gpu completed(Gpu gpu)
{
  HardwareProfile profile;
  profile.gpus = {std::move(gpu)};
  fill_from_table(profile, builtin());
  return profile.gpus.front();
}

Gpu on_pci(const char* pci_id)
{
  Gpu gpu;
  gpu.name = "NVIDIA GPU " + std::string(pci_id);
  gpu.pci_id = pci_id;
  return gpu;
}

Figure bytes(double gib, FigureConfidence confidence) { return {gib * 1073741824.0, "B", "pci", confidence, {}}; }

}  // namespace

TEST_CASE("a card that no driver tells of has the name and the only size of its PCI id", "[formats][gpus]")
{
  const auto card = completed(on_pci("8086:e20b"));
  CHECK(card.name == "Intel Arc B580");
  CHECK(card.memory_total->bytes() == 12_GiB);
  CHECK(card.memory_total->confidence == FigureConfidence::table);

  // The window of its BAR is an upper bound, which a known size replaces.
  auto with_bar = on_pci("8086:e20b");
  with_bar.memory_total = bytes(16, FigureConfidence::assumed);
  const auto known = completed(with_bar);
  CHECK(known.memory_total->bytes() == 12_GiB);
  CHECK(known.memory_total->alternatives.at(0).value == 16 * 1073741824.0);

  // A driver's figure stands: cards are sold with other memory under the same id.
  auto modified = on_pci("10de:2684");
  modified.memory_total = bytes(47.5, FigureConfidence::reported);
  CHECK(completed(modified).memory_total->value == 47.5 * 1073741824.0);

  // One id, several products: neither a name nor a size is picked.
  const auto several = completed(on_pci("1002:744c"));
  CHECK(several.name == "NVIDIA GPU 1002:744c");
  CHECK_FALSE(several.memory_total);
  auto sized = on_pci("1002:744c");
  sized.memory_total = bytes(23.98, FigureConfidence::reported);
  CHECK(completed(sized).name == "AMD Radeon RX 7900 XTX");
}

TEST_CASE("a note speaks of a card by the name that the table gives it", "[formats][gpus]")
{
  HardwareProfile profile;
  profile.gpus = {on_pci("8086:e20b")};
  profile.notes = {{"probe", "no driver tells the memory of NVIDIA GPU 8086:e20b: install its driver"}};
  fill_from_table(profile, builtin());
  CHECK(profile.notes[0].text == "no driver tells the memory of Intel Arc B580: install its driver");
}

TEST_CASE("a laptop's chip does not get the desktop card's bandwidth", "[formats][gpus]")
{
  const auto sleeping = completed(on_pci("10de:28e0"));
  CHECK(sleeping.table_id == "geforce-rtx-4060-max-q-mobile");
  CHECK(sleeping.bandwidth->value == 256e9);
  for (const auto& entry : builtin().entries()) {
    if (entry.vendor != "NVIDIA" || entry.form != "laptop") continue;
    for (const auto& id : entry.pci_ids) {
      CAPTURE(id, entry.id);
      CHECK(builtin().find_pci(id, {})->form == "laptop");
    }
  }
}

TEST_CASE("an instance of a card in MIG mode has its part of the table's figures", "[formats][gpus]")
{
  auto gpu = on_pci("10de:20b2");  // A100 SXM4 80 GB
  gpu.name = "NVIDIA A100-SXM4-80GB MIG 2g.20gb";
  gpu.memory_total = bytes(19.5, FigureConfidence::reported);
  const auto instance = completed(gpu);
  CHECK(instance.bandwidth->value == Approx(2039e9 * 2 / 8));
  CHECK(instance.fp16_tflops->value == Approx(312.0 * 2 / 7));
}

TEST_CASE("a board's own name finds its version by memory", "[formats][gpus]")
{
  Gpu gpu;
  gpu.name = "NVIDIA Jetson AGX Orin Developer Kit";
  gpu.unified_memory = true;
  gpu.memory_total = bytes(61.4, FigureConfidence::derived);
  CHECK(completed(gpu).table_id == "jetson-agx-orin-64gb");
  gpu.memory_total = bytes(29.9, FigureConfidence::derived);
  CHECK(completed(gpu).table_id == "jetson-agx-orin-32gb");
  gpu.name = "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit";
  gpu.memory_total = bytes(7.4, FigureConfidence::derived);
  CHECK(completed(gpu).table_id == "jetson-orin-nano-8gb");
}

TEST_CASE("a GPU file that is wrong is one sentence", "[formats][gpus]")
{
  const auto problem = [](std::string_view entry) {
    const auto table = GpuTable::parse("{\"schema\": \"canirun.gpus/1\", \"gpus\": [" + std::string(entry) + "]}", "g.json");
    return table ? "" : table.error().message;
  };
  CHECK(problem(R"({"id": "a", "vram_gib": [-1]})") == "g.json:1:63: 'a': field 'vram_gib': every number must be above 0");
  CHECK(problem(R"({"id": "a"})") == "g.json:1:39: 'a': vram_gib: a card with memory of its own needs at least one size");
  CHECK(problem(R"({"id": "a", "pci_ids": ["10DE:1"]})") ==
        "g.json:1:62: 'a': field 'pci_ids': '10DE:1' is not a PCI id like 10de:2684");
  CHECK(problem(R"({"id": "a", "vram_gib": [8]}, {"id": "A", "vram_gib": [8]})") == "g.json: two GPUs have the id 'A'");
}
