#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "probe/measure.hpp"
#include "probe/plausible.hpp"
#include "probe/sysroot.hpp"

namespace canirun {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string variable(const char* name)
{
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string place(const Gpu& gpu, std::size_t index) { return gpu.pci_address.value_or(fmt::format("{}#{}", gpu.name, index)); }

json load(const std::string& file)
{
  if (file.empty()) return {};
  const auto text = Sysroot().read(file, 1U << 20U);
  return text ? json::parse(*text, nullptr, false) : json{};
}

OptionalFigure rate(const json& from, const std::string& key)
{
  const auto it = from.find(key);
  if (it == from.end() || !it->is_number() || !plausible_bandwidth(it->get<double>())) return std::nullopt;
  return Figure{it->get<double>(), "B/s", "measured:cache", FigureConfidence::measured, {}};
}

}  // namespace

std::string measurement_file()
{
  auto folder = variable("XDG_CACHE_HOME");
  if (!folder.starts_with('/'))
    folder = variable("HOME").starts_with('/') ? variable("HOME") + "/.cache" : "";  // relative paths are to be passed over
  return folder.empty() ? "" : folder + "/canirun/measured.json";
}

std::string measurement_key(const HardwareProfile& profile)
{
  std::string key = Sysroot().line("proc/sys/kernel/random/boot_id").value_or("no boot id");
  key += "|" + profile.cpu.model + "|" + std::to_string(profile.cpu.usable_cores.value_or(0));
  for (std::size_t i = 0; i < profile.gpus.size(); ++i) {
    const auto& gpu = profile.gpus[i];
    key += "|" + place(gpu, i) + " " + gpu.pci_id.value_or("") + " " + gpu.driver.value_or("");
  }
  return key;
}

bool recall_measurements(HardwareProfile& profile, const std::string& file)
{
  const auto kept = load(file);
  if (!kept.is_object() || kept.value("schema", json()) != "canirun.measured/1" ||
      kept.value("key", json()) != measurement_key(profile))
    return false;
  if (const auto cpu = rate(kept, "ram")) profile.memory.bandwidth = cpu;
  const auto gpus = kept.value("gpus", json::object());
  for (std::size_t i = 0; gpus.is_object() && i < profile.gpus.size(); ++i) {
    auto& gpu = profile.gpus[i];
    auto measured = rate(gpus, place(gpu, i));
    if (!measured) continue;
    if (gpu.bandwidth) {
      measured->alternatives = gpu.bandwidth->alternatives;
      measured->alternatives.insert(measured->alternatives.begin(), {gpu.bandwidth->value, gpu.bandwidth->source});
    }
    gpu.bandwidth = measured;
  }
  return true;
}

void remember_measurements(const HardwareProfile& profile, const std::string& file)
{
  if (file.empty()) return;
  json gpus = json::object();
  for (std::size_t i = 0; i < profile.gpus.size(); ++i) {
    const auto& b = profile.gpus[i].bandwidth;
    if (b && b->confidence == FigureConfidence::measured) gpus[place(profile.gpus[i], i)] = b->value;
  }
  json all{{"schema", "canirun.measured/1"}, {"key", measurement_key(profile)}, {"gpus", std::move(gpus)}};
  if (profile.memory.bandwidth) all["ram"] = profile.memory.bandwidth->value;
  // The cache's folder is made, and ~/.cache; a home that does not exist is not.
  std::error_code error;
  const auto folder = fs::path(file).parent_path(), cache = folder.parent_path();
  if (!fs::is_directory(cache.parent_path(), error)) return;
  fs::create_directory(cache, error);
  fs::create_directory(folder, error);
  // Written beside it and renamed, so that another run never reads half of it.
  const auto temporary = fmt::format("{}.{}", file, ::getpid());
  std::ofstream out(temporary, std::ios::binary);
  out << all.dump(1) << '\n';
  out.close();
  if (out) {
    fs::rename(temporary, file, error);
    if (!error) return;
  }
  fs::remove(temporary, error);
}

}  // namespace canirun
