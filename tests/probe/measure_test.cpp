#include "probe/measure.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "catch.hpp"
#include "probe/child.hpp"
#include "probe/driver_sources.hpp"
#include "probe/merge.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

Figure measured(double value) { return {value, "B/s", "measured:copy", FigureConfidence::measured, {}}; }

HardwareProfile machine()
{
  HardwareProfile p;
  p.cpu.model = "CPU";
  p.cpu.usable_cores = 8;
  Gpu gpu;
  gpu.name = "GPU";
  gpu.pci_address = "0000:01:00.0";
  gpu.pci_id = "10de:2684";
  gpu.driver = "NVIDIA 550";
  p.gpus = {gpu};
  return p;
}

/// A folder that is removed again.
struct Folder {
  Folder()
  {
    std::string pattern = (std::filesystem::temp_directory_path() / "canirun-measure-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

}  // namespace

TEST_CASE("memory bandwidth is measured within what memory can do", "[probe][measure]")
{
  const auto result = measure_cpu_bandwidth(2, std::nullopt);
  REQUIRE(result);
  CHECK(result->bytes_per_second > 1e8);
  CHECK(result->bytes_per_second < 20e12);
  CHECK(result->busy > 0);
  CHECK(result->busy < 1.1);
}

TEST_CASE("nothing is measured when there is not enough memory to read", "[probe][measure]")
{
  CHECK_FALSE(measure_cpu_bandwidth(4, 32_MiB));
}

TEST_CASE("measured figures are recalled on the same machine and on no other", "[probe][measure]")
{
  const Folder folder;
  const auto file = (folder.path / "deep" / "measured.json").string();
  auto first = machine();
  first.memory.bandwidth = measured(50e9);
  first.gpus[0].bandwidth = measured(900e9);
  remember_measurements(first, file);

  auto second = machine();
  second.gpus[0].bandwidth = Figure{1008e9, "B/s", "nvml:2*clock*width", FigureConfidence::derived, {}};
  REQUIRE(recall_measurements(second, file));
  CHECK(second.memory.bandwidth->value == 50e9);
  CHECK(second.gpus[0].bandwidth->value == 900e9);
  CHECK(second.gpus[0].bandwidth->confidence == FigureConfidence::measured);
  REQUIRE(second.gpus[0].bandwidth->alternatives.size() == 1);
  CHECK(second.gpus[0].bandwidth->alternatives[0].value == 1008e9);

  auto other = machine();
  other.gpus[0].driver = "NVIDIA 555";
  CHECK_FALSE(recall_measurements(other, file));
  CHECK_FALSE(other.memory.bandwidth);
}

TEST_CASE("a broken cache is passed over", "[probe][measure]")
{
  const Folder folder;
  const auto file = (folder.path / "measured.json").string();
  for (const char* text :
       {"", "{", "[]", "null", R"({"schema": 1})", R"({"schema":"canirun.measured/1","key":"x","ram":"fast"})"}) {
    std::ofstream(file) << text;
    auto profile = machine();
    CHECK_FALSE(recall_measurements(profile, file));
    CHECK(profile == machine());
  }
  // A folder where nothing can be written: no failure.
  remember_measurements(machine(), "/proc/canirun/measured.json");
}

TEST_CASE("a measured copy wins over the clocks, which stay beside it", "[probe][measure][merge]")
{
  DeviceFacts nvml{
      .source = "nvml", .pci_address = "0000:01:00.0", .bandwidth = 1008e9, .bandwidth_source = "nvml:2*clock*width"};
  DeviceFacts vulkan{.source = "vulkan",
                     .pci_address = "0000:01:00.0",
                     .bandwidth = 910e9,
                     .bandwidth_measured = true,
                     .bandwidth_source = "measured:vkCmdCopyBuffer"};
  const std::vector<Facts> facts{{.source = "nvml", .devices = {nvml}}, {.source = "vulkan", .devices = {vulkan}}};
  const auto profile = merge(facts);
  REQUIRE(profile.gpus.size() == 1);
  CHECK(profile.gpus[0].bandwidth->value == 910e9);
  CHECK(profile.gpus[0].bandwidth->confidence == FigureConfidence::measured);
  CHECK(profile.gpus[0].bandwidth->alternatives.at(0).value == 1008e9);
}

TEST_CASE("copies are measured by a real driver", "[probe][measure]")
{
  // lavapipe (mesa-vulkan-drivers) makes real devices, queues and copies, on the processor.
  const auto manifests = icd_manifests();
  const auto lavapipe = std::ranges::find_if(manifests, [](const std::string& m) { return m.find("lvp") != std::string::npos; });
  if (lavapipe == manifests.end()) {
    WARN("lavapipe is not installed (mesa-vulkan-drivers): copies were not measured");
    return;
  }
  auto child = ChildProcess::start("vulkan-measure-software",
                                   child_environment({"VK_DRIVER_FILES=" + *lavapipe, "VK_ICD_FILENAMES=" + *lavapipe}));
  REQUIRE(child);
  ChildProcess* all[] = {&*child};
  ChildProcess::collect(all, Clock::now() + std::chrono::seconds(60));
  REQUIRE(child->complete());
  const auto line = std::ranges::find_if(child->lines(), [](const auto& l) { return l.contains("measured"); });
  REQUIRE(line != child->lines().end());
  const auto rate = line->at("bytes_per_second").get<double>();
  CHECK(rate > 1e8);
  CHECK(rate < 1e12);
}
