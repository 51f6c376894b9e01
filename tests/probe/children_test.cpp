#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "catch.hpp"
#include "machine.hpp"
#include "probe/child.hpp"
#include "probe/driver_sources.hpp"

using namespace canirun;
using nlohmann::json;

namespace {

/// Children of this process that run a part of the probe; zombies have no command line.
std::size_t running_children()
{
  const auto read = [](const std::filesystem::path& file) {
    std::ifstream in(file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const bool ours = read(entry.path() / "status").find(fmt::format("PPid:\t{}\n", ::getpid())) != std::string::npos;
    count += ours && read(entry.path() / "cmdline").find("--probe-child=") != std::string::npos ? 1U : 0U;
  }
  return count;
}

/// An environment without one of the variables, or nothing.
std::optional<std::string> value_in(const std::vector<std::string>& environment, const std::string& name)
{
  for (const auto& variable : environment) {
    if (variable.starts_with(name + "=")) return variable.substr(name.size() + 1);
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("a driver that hangs leaves no process behind", "[probe][children]")
{
  const FixtureMachine machine(json{{"vulkan", {{{"name", "broken"}, {"mode", "hang"}}}}});
  ProbeOptions options;
  options.timeout = std::chrono::milliseconds(200);
  const auto trace = machine.probe(options);

  CHECK(trace.profile.gpus.empty());
  for (int i = 0; i < 100 && running_children() > 0; ++i) ::usleep(10000);
  CHECK(running_children() == 0);
}

TEST_CASE("a child gets what drivers read, no overlays, no preloaded library and no secrets", "[probe][children]")
{
  const std::map<const char*, const char*> variables{{"MANGOHUD", "1"},         {"ENABLE_VKBASALT", "1"},   {"LD_PRELOAD_NOT", "x"},
                                                     {"AWS_SECRET_KEY", "x"},   {"HF_TOKEN", "x"},          {"MALLOC_TRACE", "/x"},
                                                     {"DRI_PRIME", "1"},        {"MESA_LOADER_NOT", "kept"}, {"CUDA_VISIBLE_DEVICES", "0"},
                                                     {"VK_ADD_DRIVER_FILES", "/b.json"}};
  for (const auto& [name, value] : variables) ::setenv(name, value, 1);
  const auto environment = child_environment({"VK_DRIVER_FILES=/a.json", "VK_ADD_DRIVER_FILES"});
  for (const auto& [name, value] : variables) ::unsetenv(name);

  CHECK(value_in(environment, "VK_LOADER_LAYERS_DISABLE") == "~implicit~");
  CHECK(value_in(environment, "NODEVICE_SELECT") == "1");
  CHECK(value_in(environment, "VK_DRIVER_FILES") == "/a.json");
  CHECK(value_in(environment, "MESA_LOADER_NOT") == "kept");
  CHECK(value_in(environment, "CUDA_VISIBLE_DEVICES") == "0");
  CHECK(value_in(environment, "PATH") == std::getenv("PATH"));
  for (const auto* name : {"MANGOHUD", "ENABLE_VKBASALT", "LD_PRELOAD_NOT", "LD_PRELOAD", "AWS_SECRET_KEY", "HF_TOKEN", "MALLOC_TRACE",
                           "DRI_PRIME", "VK_ADD_DRIVER_FILES"}) {
    CAPTURE(name);
    CHECK_FALSE(value_in(environment, name));
  }
}

TEST_CASE("a machine of 64 GPUs has 64 of them, in the order of the bus", "[probe][children]")
{
  json cards = json::array();
  for (int i = 0; i < 64; ++i) {
    cards.push_back({{"name", "NVIDIA A100-SXM4-80GB"},
                     {"pci", fmt::format("{:08x}:{:02x}:00", i / 8, i + 1)},
                     {"device", "20b2"},
                     {"total_mib", 81920},
                     {"free_mib", 81000}});
  }
  const FixtureMachine machine(json{{"nvml", {{"cards", cards}}}});
  const auto profile = machine.probe().profile;

  REQUIRE(profile.gpus.size() == 64);
  CHECK(profile.gpus.front().pci_address == "0000:01:00.0");
  CHECK(profile.gpus.back().pci_address == "0007:40:00.0");
  std::set<std::string> addresses;
  for (const auto& gpu : profile.gpus) addresses.insert(gpu.pci_address.value_or(""));
  CHECK(addresses.size() == 64);
}

TEST_CASE("lines that no child of ours writes are passed over", "[probe][children]")
{
  const std::vector<json> lines{json{{"device", "zero"}},
                                json{{"device", 0}, {"name", 5}, {"pci", "x"}, {"vendor", -1}},
                                json{{"memory", 0}, {"heap_count", "many"}},
                                json{{"device", 1}, {"name", "GPU"}, {"type", 2}},
                                json{{"memory", 1}, {"heap_count", 1}, {"heaps", {{{"size", 1024}}}}},
                                json{{"memory", 7}, {"heaps", 3}},
                                json{{"error", 12}}};
  const auto facts = vulkan_facts(lines);
  REQUIRE(facts.devices.size() == 2);
  CHECK_FALSE(facts.devices[0].name);
  CHECK(facts.devices[0].heaps.empty());
  CHECK(facts.devices[1].name == "GPU");
  CHECK(nvml_facts(lines).devices.size() <= 2);
}

TEST_CASE("the doctor's report holds no serial number and no host name", "[probe][doctor]")
{
  const FixtureMachine machine(json{{"files",
                                     {{"proc/self/cgroup", "0::/docker/0123456789abcdef0123456789abcdef\n"},
                                      {"sys/fs/cgroup/docker/0123456789abcdef0123456789abcdef/memory.max", "1073741824\n"},
                                      {"etc/hostname", "secret-host\n"}}},
                                    {"nvml",
                                     {{"cards",
                                       {{{"name", "NVIDIA GeForce RTX 3090"},
                                         {"uuid", "GPU-deadbeef-1234-5678-9abc-def012345678"},
                                         {"pci", "00000000:01:00"},
                                         {"device", "2204"},
                                         {"total_mib", 24576},
                                         {"free_mib", 24000}}}}}}});
  const auto trace = machine.probe();
  const auto text = doctor_text(trace, "0"), document = doctor_json(trace, "0").dump();

  for (const auto& report : {text, document}) {
    CHECK(report.find("def012345678") == std::string::npos);
    CHECK(report.find("0123456789abcdef0123456789abcdef") == std::string::npos);
    CHECK(report.find("secret-host") == std::string::npos);
    CHECK(report.find("RTX 3090") != std::string::npos);
    CHECK(report.find("0000:01:00.0") != std::string::npos);
  }
  CHECK(doctor_json(trace, "0")["schema"] == "canirun.doctor/1");
}
