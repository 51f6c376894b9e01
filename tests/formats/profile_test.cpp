#include "canirun/formats/profile.hpp"

#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "canirun/core/hardware_json.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

Figure figure(double value, const char* unit, FigureConfidence confidence)
{
  return {value, unit, "test:source", confidence, {{value / 2, "other"}}};
}

HardwareProfile full_profile()
{
  HardwareProfile p;
  p.host = {"Debian GNU/Linux 12", "6.1.0", "x86_64", "docker", true, "node-1"};
  p.cpu = {"EPYC \"Genoa\"", 96, 192, 64, 96, {"avx2", "avx512f"}, 2};
  p.memory = {Bytes{135'000'000'000}, Bytes{64'000'000'000}, Bytes{60'000'000'001}, Bytes{0},
              figure(460.8e9, "B/s", FigureConfidence::measured)};
  Gpu gpu;
  gpu.name = "NVIDIA GeForce RTX 4090";
  gpu.vendor = "NVIDIA";
  gpu.type = GpuType::virtual_gpu;
  gpu.pci_address = "0000:01:00.0";
  gpu.pci_id = "10de:2684";
  gpu.uuid = "GPU-1";
  gpu.driver = "550.1";
  gpu.backends = {"cuda", "vulkan"};
  gpu.unified_memory = true;
  gpu.architecture = "Ada";
  gpu.memory_total = figure(25757220864, "B", FigureConfidence::reported);
  gpu.memory_reserved = figure(400'000'000, "B", FigureConfidence::derived);
  gpu.memory_dedicated = figure(512, "B", FigureConfidence::assumed);
  gpu.memory_free = figure(24e9, "B", FigureConfidence::reported);
  gpu.bandwidth = figure(1008e9, "B/s", FigureConfidence::table);
  gpu.fp16_tflops = figure(330.3, "TFLOP/s", FigureConfidence::table);
  gpu.fp32_tflops = figure(82.58, "TFLOP/s", FigureConfidence::table);
  gpu.table_id = "geforce-rtx-4090";
  gpu.from_table = true;
  p.gpus = {gpu, Gpu{}};
  p.gpus[1].type = GpuType::cpu;
  p.notes = {{"vulkan", "a note"}};
  return p;
}

std::string problem(std::string_view json)
{
  const auto profile = parse_profile(json, "m.json");
  return profile ? "" : profile.error().message;
}

}  // namespace

TEST_CASE("a profile that is written and read is the same profile", "[formats][profile]")
{
  for (const auto& profile : {full_profile(), HardwareProfile{}}) {
    const auto text = to_json(profile).dump(2);
    const auto read = parse_profile(text, "m.json");
    if (!read) FAIL(read.error().message);
    CHECK(*read == profile);
    CHECK(to_json(*read).dump(2) == text);
  }
}

TEST_CASE("a profile with every field is the file that the schema is checked with", "[formats][profile][golden]")
{
  std::ifstream in(std::string(CANIRUN_TEST_DIR) + "/data/profile-full.json");
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  CHECK(to_json(full_profile()).dump(2) + "\n" == golden);
}

TEST_CASE("a profile from a newer program is read without its additions", "[formats][profile]")
{
  const auto profile =
      parse_profile(R"({"schema": "canirun.hardware/1", "future": [1], "cpu": {"model": "x", "stepping": 3}})", "m.json");
  REQUIRE(profile);
  CHECK(profile->cpu.model == "x");
}

TEST_CASE("a profile that is wrong is one sentence with its field", "[formats][profile]")
{
  CHECK(problem("{}") ==
        "m.json:1:1: \"schema\": \"canirun.hardware/1\" is expected; `canirun probe -o FILE` writes such a file");
  CHECK(problem(R"({"schema": "canirun.hardware/1", "memory": {"total_bytes": -5}})") ==
        "m.json:1:60: 'memory': field 'total_bytes': a whole number of at least 0 is expected, this is a number");
  CHECK(problem(R"({"schema": "canirun.hardware/1", "memory": {"total_bytes": 99999999999999999}})") ==
        "m.json:1:60: 'memory': field 'total_bytes': this many bytes are in no machine");
  CHECK(problem(R"({"schema": "canirun.hardware/1", "gpus": [{}, {"bandwidth": {"value": 1e30}}]})") ==
        "m.json:1:71: 'gpus[1]': field 'value': a value from 0 to 1e+18 B/s is expected");
  CHECK(problem(R"({"schema": "canirun.hardware/1", "gpus": [{"bandwidth": {"value": 936, "unit": "GB/s"}}]})") ==
        "m.json:1:80: 'gpus[0]': field 'unit': 'B/s' is expected, not 'GB/s'");
  CHECK(problem(R"({"schema": "canirun.hardware/1", "cpu": {"physical_cores": 0}})") ==
        "m.json:1:60: 'cpu': field 'physical_cores': a count from 1 to 1000000 is expected");
  CHECK(problem(R"({"schema": "canirun.hardware/1", "gpus": {}})") ==
        "m.json:1:42: field 'gpus': a list is expected, this is an object");
}
