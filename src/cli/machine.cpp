#include "machine.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "canirun/formats/profile.hpp"
#include "output.hpp"
#include "progress.hpp"

namespace canirun {

namespace {

Figure stated(double value, std::string_view unit, std::string_view option)
{
  return {value, std::string(unit), std::string(option), FigureConfidence::reported, {}};
}

Result<void> replace_gpus(HardwareProfile& profile, const MachineOptions& options, const GpuTable& table)
{
  profile.gpus.clear();
  for (const auto& text : options.gpus) {
    auto match = table.lookup(text, options.ram, profile.memory.total);
    if (!match) return tl::unexpected(match.error());
    for (auto& gpu : match->gpus) profile.gpus.push_back(std::move(gpu));
    for (auto& note : match->notes) profile.notes.push_back({"--gpu", std::move(note)});
  }
  return {};
}

/// A stated GPU that shares memory brings that memory: without --ram its pool is the machine's RAM.
void share_pool(HardwareProfile& profile)
{
  for (const auto& gpu : profile.gpus) {
    if (!gpu.unified_memory || !gpu.memory_total || profile.memory.total == gpu.memory_total->bytes()) continue;
    const auto pool = gpu.memory_total->bytes();
    profile.memory.total = pool;
    profile.memory.limit.reset();
    profile.memory.available.reset();
    profile.notes.push_back(
        {"--gpu", fmt::format("{} shares its {:g} GiB with the CPU, so the RAM is taken as {:g} GiB; --ram says otherwise",
                              gpu.name, to_gib(pool).value, to_gib(pool).value)});
    return;
  }
}

}  // namespace

ProbeOptions probe_options(const MachineOptions& options, const Environment& env)
{
  return {.sysroot = env.sysroot,
          .timeout = options.probe_timeout,
          .no_gpu = options.no_gpu,
          .deep = options.deep,
          .wake = options.wake,
          .measure = options.measure};
}

namespace {

/// This machine or the profile, as it is.
Result<HardwareProfile> examined(const MachineOptions& options, const Environment& env)
{
  if (options.measure && !options.hardware.empty()) {
    return fail(ErrorKind::invalid_argument, "--measure measures this machine and --hardware names another; use one of them");
  }
  if (!options.hardware.empty()) {
    const auto text = read_input(options.hardware);
    if (!text) return tl::unexpected(text.error());
    return parse_profile(*text, options.hardware == "-" ? "standard input" : options.hardware);
  }
  auto probe = probe_options(options, env);
  probe.no_gpu = options.no_gpu || !options.gpus.empty();
  const Progress progress(env, options.measure, "measuring the bandwidth of the memory");
  return probe_machine(probe);
}

/// The same completed from the table, with what the options replace.
Result<HardwareProfile> completed(HardwareProfile profile, const MachineOptions& options, const GpuTable& table)
{
  fill_from_table(profile, table);

  if (options.no_gpu) profile.gpus.clear();
  if (!options.gpus.empty()) {
    if (auto done = replace_gpus(profile, options, table); !done) return tl::unexpected(done.error());
    if (!options.ram) share_pool(profile);
  }
  if (options.ram) {
    profile.memory.total = options.ram;
    profile.memory.limit.reset();
    profile.memory.available.reset();
  }
  if (options.ram_bandwidth) profile.memory.bandwidth = stated(options.ram_bandwidth->value, "B/s", "--ram-bandwidth");
  for (auto& gpu : profile.gpus) {
    if (options.vram) {
      gpu.memory_total = stated(static_cast<double>(options.vram->count), "B", "--vram");
      gpu.memory_free.reset();
      gpu.memory_reserved.reset();
    }
    if (options.gpu_bandwidth) gpu.bandwidth = stated(options.gpu_bandwidth->value, "B/s", "--gpu-bandwidth");
  }
  if (options.vram && profile.gpus.empty()) {
    return fail(ErrorKind::invalid_argument,
                "--vram needs a GPU and there is none; name one with --gpu, as in --gpu \"RTX 4090\"");
  }
  if (options.host) profile.host.name = options.host;
  if (options.cores) {
    profile.cpu.usable_cores = profile.cpu.physical_cores = options.cores;
    profile.cpu.performance_cores.reset();
  }
  return profile;
}

}  // namespace

Result<HardwareProfile> machine_of(const MachineOptions& options, const Environment& env, const GpuTable& table)
{
  auto profile = examined(options, env);
  if (!profile) return profile;
  return completed(std::move(*profile), options, table);
}

Result<const GpuTable*> LazyGpuTable::get()
{
  if (!table_) {
    auto table = load_gpu_table(env_.data, {});
    if (!table) return tl::unexpected(table.error());
    table_ = *std::move(table);
  }
  return &*table_;
}

Result<HardwareProfile> machine_of(const MachineOptions& options, const Environment& env, LazyGpuTable& table)
{
  auto profile = examined(options, env);
  if (!profile) return profile;
  if (profile->gpus.empty() && options.gpus.empty()) return completed(std::move(*profile), options, {});
  const auto known = table.get();
  if (!known) return tl::unexpected(known.error());
  return completed(std::move(*profile), options, **known);
}

Result<HardwareProfile> machine_of(const MachineOptions& options, const Environment& env)
{
  LazyGpuTable table(env);
  return machine_of(options, env, table);
}

std::vector<std::string> names_of(const std::vector<std::string>& paths)
{
  std::vector<std::string> names;
  names.reserve(paths.size());
  for (const auto& path : paths) names.push_back(path == "-" ? "stdin" : std::filesystem::path(path).stem().string());
  auto unique = names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::count(names, names[i]) > 1) unique[i] = paths[i];
  }
  return unique;
}

Result<std::vector<NamedMachine>> machines_of(const Options& o, const Environment& env, LazyGpuTable& table)
{
  std::vector<NamedMachine> machines;
  const auto names = names_of(o.profiles);
  for (std::size_t i = 0; i < std::max<std::size_t>(o.profiles.size(), 1); ++i) {
    auto options = o.machine;
    if (!o.profiles.empty()) options.hardware = o.profiles[i];
    auto hardware = machine_of(options, env, table);
    if (!hardware) return tl::unexpected(hardware.error());
    machines.push_back({o.profiles.size() > 1 ? names[i] : "", std::move(*hardware)});
  }
  return machines;
}

}  // namespace canirun
