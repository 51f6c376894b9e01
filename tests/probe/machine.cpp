#include "machine.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "canirun/core/hardware_json.hpp"

namespace canirun {

namespace fs = std::filesystem;
using nlohmann::json;

FixtureMachine::FixtureMachine(const json& description)
{
  std::string pattern = (fs::temp_directory_path() / "canirun-machine-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  fs::create_directories(folder_ / "root");
  const auto all_files = description.value("files", json::object());
  for (const auto& [file, content] : all_files.items()) write(file, content.get<std::string>());
  const auto all_links = description.value("links", json::object());
  for (const auto& [link, target] : all_links.items()) {
    fs::create_directories((folder_ / "root" / link).parent_path());
    fs::create_symlink(target.get<std::string>(), folder_ / "root" / link);
  }
  for (const auto& device : description.value("pci", json::array())) write_pci(device);
  write_memory(description);
  for (const char* variable : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES", "CANIRUN_VULKAN_LIB",
                               "CANIRUN_NVML_LIB", "CANIRUN_SYSROOT", "CUDA_VISIBLE_DEVICES", "VK_LOADER_DRIVERS_DISABLE"}) {
    set(variable, "");
  }
  write_drivers(description);
  const auto all_environment = description.value("environment", json::object());
  for (const auto& [variable, value] : all_environment.items()) set(variable, value.get<std::string>());
}

FixtureMachine::~FixtureMachine()
{
  for (const auto& [variable, value] : before_) {
    if (value == "\x01") {
      ::unsetenv(variable.c_str());
    } else {
      ::setenv(variable.c_str(), value.c_str(), 1);
    }
  }
  std::error_code error;
  fs::remove_all(folder_, error);
}

void FixtureMachine::set(const std::string& variable, const std::string& value)
{
  const char* now = std::getenv(variable.c_str());
  before_.try_emplace(variable, now != nullptr ? now : "\x01");
  if (value.empty()) {
    ::unsetenv(variable.c_str());
  } else {
    ::setenv(variable.c_str(), value.c_str(), 1);
  }
}

void FixtureMachine::write(const std::string& file, const std::string& content) const
{
  const auto path = folder_ / file;
  const auto inside = file.starts_with("drivers/") ? path : folder_ / "root" / file;
  fs::create_directories(inside.parent_path());
  std::ofstream(inside, std::ios::binary) << content;
}

/// {"at": "0000:01:00.0", "id": "10de:2684", "class": "0300", "driver": "nvidia", "bar_mib": 256, "files": {…}, "links": {…}}
void FixtureMachine::write_pci(const json& device) const
{
  const auto base = "sys/bus/pci/devices/" + device.at("at").get<std::string>() + "/";
  const auto id = device.at("id").get<std::string>();
  write(base + "vendor", "0x" + id.substr(0, 4) + "\n");
  write(base + "device", "0x" + id.substr(5) + "\n");
  write(base + "class", "0x" + device.value("class", "0300") + "00\n");
  if (device.contains("bar_mib")) {
    const auto size = device["bar_mib"].get<std::uint64_t>() << 20U;
    write(base + "resource",
          fmt::format("0x{:016x} 0x{:016x} 0x{:016x}\n0x0 0x0 0x0\n", 1ULL << 40U, (1ULL << 40U) + size - 1, 0x14220cU));
  }
  const auto all_files = device.value("files", json::object());
  for (const auto& [file, content] : all_files.items()) write(base + file, content.get<std::string>() + "\n");
  const auto link = [&](const std::string& name, const std::string& target) {
    fs::create_symlink(target, folder_ / "root" / (base + name));
  };
  if (device.contains("driver")) link("driver", "../../../bus/pci/drivers/" + device["driver"].get<std::string>());
  const auto all_links = device.value("links", json::object());
  for (const auto& [name, target] : all_links.items()) link(name, target.get<std::string>());
}

/// "ram_gib" and "available_gib" stand for /proc/meminfo.
void FixtureMachine::write_memory(const json& description) const
{
  if (!description.contains("ram_gib")) return;
  const auto kib = [](double gib) { return static_cast<std::uint64_t>(gib * 1048576.0); };
  const double total = description["ram_gib"].get<double>();
  const double available = description.value("available_gib", total);
  write("proc/meminfo", fmt::format("MemTotal: {} kB\nMemFree: {} kB\nMemAvailable: {} kB\nSwapFree: 0 kB\n", kib(total),
                                    kib(available / 2), kib(available)));
}

/// "vulkan" is a list of drivers ({"name", "mode", "devices"}), "nvml" what the library answers.
void FixtureMachine::write_drivers(const json& description)
{
  std::string manifests;
  for (const auto& driver : description.value("vulkan", json::array())) {
    // A copy for each: the dynamic linker takes two links to one file for one library.
    const auto folder = "drivers/" + driver.value("name", "mock");
    write(folder + "/devices.json", driver.dump());
    fs::copy_file(CANIRUN_MOCK_ICD, folder_ / folder / "libmock.so");
    const auto manifest = folder + "/" + driver.value("name", "mock") + "_icd.json";
    write(manifest, json{{"file_format_version", "1.0.0"},
                         {"ICD", {{"library_path", (folder_ / folder / "libmock.so").string()}, {"api_version", "1.3.0"}}}}
                        .dump());
    manifests += (manifests.empty() ? "" : ":") + (folder_ / manifest).string();
  }
  const bool has_nvml = description.contains("nvml");
  if (manifests.empty() && (has_nvml || description.value("vulkan_without_drivers", false))) manifests = "/nonexistent/icd.json";
  if (!manifests.empty()) {
    set("VK_DRIVER_FILES", manifests);
    set("VK_ICD_FILENAMES", manifests);  // loaders before 1.3.207
    set("CANIRUN_NVML_LIB", "/nonexistent/libnvidia-ml.so.1");
  }
  if (has_nvml) {
    write("drivers/nvml/nvml.json", description["nvml"].dump());
    fs::copy_file(CANIRUN_FAKE_NVML, folder_ / "drivers/nvml/libnvidia-ml.so.1");
    set("CANIRUN_NVML_LIB", (folder_ / "drivers/nvml/libnvidia-ml.so.1").string());
  }
}

ProbeTrace FixtureMachine::probe(ProbeOptions options) const
{
  options.sysroot = folder_ / "root";
  return trace_probe(options);
}

namespace {

/// Does `actual` hold everything that `expected` names? Objects may hold more; lists have the same length; numbers with a fraction
/// (GiB, GB/s) agree to half a per cent.
void compare(const std::string& where, const json& actual, const json& expected, std::string& out)
{
  if (expected.is_object()) {
    for (const auto& [key, value] : expected.items()) {
      if (!actual.is_object() || !actual.contains(key)) {
        out += fmt::format("{}.{}: is missing\n", where, key);
      } else {
        compare(where + "." + key, actual[key], value, out);
      }
    }
  } else if (expected.is_array()) {
    if (!actual.is_array() || actual.size() != expected.size()) {
      out += fmt::format("{}: {} instead of {}\n", where, actual.dump(), expected.dump());
      return;
    }
    for (std::size_t i = 0; i < expected.size(); ++i) compare(fmt::format("{}[{}]", where, i), actual[i], expected[i], out);
  } else if (expected.is_number() && actual.is_number()) {
    const double a = actual.get<double>(), e = expected.get<double>();
    if (std::abs(a - e) > 0.005 * std::abs(e) + 1e-9) out += fmt::format("{}: {} instead of {}\n", where, a, e);
  } else if (actual != expected) {
    out += fmt::format("{}: {} instead of {}\n", where, actual.dump(), expected.dump());
  }
}

json gib(const std::optional<Bytes>& b) { return b ? json(to_gib(*b).value) : json(nullptr); }
json gib(const OptionalFigure& f) { return f ? json(to_gib(f->bytes()).value) : json(nullptr); }

/// The profile in the units that a person writes into a fixture.
json readable(const HardwareProfile& p)
{
  json all = json::parse(to_json(p).dump());
  for (std::size_t i = 0; i < p.gpus.size(); ++i) {
    const auto& g = p.gpus[i];
    auto& out = all["gpus"][i];
    out["memory_gib"] = gib(g.memory_total);
    out["memory_from"] = g.memory_total ? json(g.memory_total->source) : json(nullptr);
    out["dedicated_gib"] = gib(g.memory_dedicated);
    out["reserved_gib"] = gib(g.memory_reserved);
    out["free_gib"] = gib(g.memory_free);
    out["free_from"] = g.memory_free ? json(g.memory_free->source) : json(nullptr);
    out["bandwidth_gbs"] = g.bandwidth ? json(g.bandwidth->value / 1e9) : json(nullptr);
  }
  all["memory"]["total_gib"] = gib(p.memory.total);
  all["memory"]["limit_gib"] = gib(p.memory.limit);
  all["memory"]["available_gib"] = gib(p.memory.available);
  return all;
}

}  // namespace

std::string differences(const HardwareProfile& profile, const json& expected)
{
  std::string out;
  json rest = expected;
  rest.erase("notes");
  compare("profile", readable(profile), rest, out);
  // Each expected note is a part of one; "!text" must be in none.
  for (const auto& note : expected.value("notes", json::array())) {
    const auto text = note.get<std::string>();
    const bool absent = text.starts_with('!');
    bool found = false;
    for (const auto& n : profile.notes) found = found || n.text.find(absent ? text.substr(1) : text) != std::string::npos;
    if (found == absent) out += fmt::format("notes: \"{}\" is {}\n", text, absent ? "there" : "missing");
  }
  return out;
}

}  // namespace canirun
