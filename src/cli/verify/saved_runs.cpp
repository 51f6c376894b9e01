#include "verify/saved_runs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "output.hpp"

namespace canirun {

namespace {

using nlohmann::json;

constexpr auto k_schema = "canirun.runs/1";

json read(const std::string& file)
{
  std::error_code ignored;
  if (file.empty() || !std::filesystem::is_regular_file(file, ignored)) return json::object();
  const auto text = read_input(file);
  auto parsed = text ? json::parse(*text, nullptr, false) : json();
  if (!parsed.is_object() || parsed.value("schema", json()) != k_schema || !parsed.value("machines", json()).is_object())
    return json::object();
  return parsed;
}

std::optional<double> factor(const json& run, const char* key)
{
  const auto it = run.find(key);
  if (it == run.end() || !it->is_number()) return std::nullopt;
  const auto value = it->get<double>();
  return is_plausible_factor(value) ? std::optional(value) : std::nullopt;
}

std::optional<MeasuredRun> run_of(const json& from)
{
  if (!from.is_object()) return std::nullopt;
  const auto text = [&](const char* key) {
    const auto it = from.find(key);
    return it != from.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  MeasuredRun run{.model = text("model"),
                  .quant = text("quant"),
                  .mode = {},
                  .generation_factor = 1,
                  .prompt_factor = factor(from, "prompt_factor")};
  const auto generation = factor(from, "generation_factor");
  const auto mode = text("mode");
  for (const auto m : {Placement::Mode::gpu, Placement::Mode::split, Placement::Mode::cpu}) {
    if (name(m) != mode) continue;
    run.mode = m;
    if (generation) run.generation_factor = *generation;
    return generation ? std::optional(run) : std::nullopt;
  }
  return std::nullopt;
}

json json_of(const MeasuredRun& run)
{
  json out{{"model", run.model}, {"quant", run.quant}, {"mode", name(run.mode)}, {"generation_factor", run.generation_factor}};
  if (run.prompt_factor) out["prompt_factor"] = *run.prompt_factor;
  return out;
}

bool same_run(const json& a, const json& b)
{
  return std::ranges::all_of(std::array{"model", "quant", "mode"},
                             [&](const char* key) { return a.is_object() && a.value(key, json()) == b[key]; });
}

}  // namespace

bool is_plausible_factor(double factor) { return std::isfinite(factor) && factor > 0.01 && factor < 100; }

std::string saved_runs_file()
{
  const auto absolute = [](const char* name) {
    const char* value = std::getenv(name);
    return value && *value == '/' ? std::string(value) : std::string();
  };
  auto folder = absolute("XDG_CACHE_HOME");
  if (const auto home = absolute("HOME"); folder.empty() && !home.empty()) folder = home + "/.cache";
  return folder.empty() ? "" : folder + "/canirun/runs.json";
}

std::string machine_key(const HardwareProfile& hardware)
{
  auto key = fmt::format("{} {}", hardware.cpu.model, hardware.cpu.usable_cores.value_or(0));
  for (const auto& gpu : hardware.gpus) {
    if (gpu.type != GpuType::cpu)
      key += fmt::format(" | {} {}", gpu.name, gpu.memory_total ? gpu.memory_total->bytes().count >> 20 : 0);
  }
  return key;
}

std::vector<MeasuredRun> load_runs(const std::string& file, const HardwareProfile& hardware)
{
  const auto kept = read(file);
  std::vector<MeasuredRun> runs;
  if (kept.empty()) return runs;
  const auto& machines = kept["machines"];
  const auto machine = machines.find(machine_key(hardware));
  if (machine == machines.end() || !machine->is_array()) return runs;
  for (const auto& r : *machine) {
    if (auto run = run_of(r)) runs.push_back(std::move(*run));
  }
  return runs;
}

Result<void> save_run(const std::string& file, const HardwareProfile& hardware, const MeasuredRun& run)
{
  if (file.empty())
    return fail(ErrorKind::unavailable, "--save needs a folder: neither XDG_CACHE_HOME nor HOME is an absolute path");
  auto kept = read(file);
  if (kept.empty()) kept = json{{"schema", k_schema}, {"machines", json::object()}};
  auto& runs = kept["machines"][machine_key(hardware)];
  const auto one = json_of(run);
  json others = json::array();
  for (const auto& r : runs.is_array() ? runs : json::array()) {
    if (!same_run(r, one)) others.push_back(r);
  }
  others.push_back(one);
  runs = std::move(others);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
  if (auto written = write_output(kept.dump(1, ' ', false, json::error_handler_t::replace) + "\n", file); !written)
    return fail(ErrorKind::unavailable, written.error().message);
  return {};
}

}  // namespace canirun
