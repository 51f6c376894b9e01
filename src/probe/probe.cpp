#include "canirun/probe/probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "probe/driver_sources.hpp"
#include "probe/gpu_sources.hpp"
#include "probe/host_sources.hpp"
#include "probe/identity.hpp"
#include "probe/measure.hpp"
#include "probe/merge.hpp"
#include "probe/surroundings.hpp"

namespace canirun {

namespace {

/// The sources' figures of sleeping cards come from sysfs and the table: opening their driver would wake them (1–3 s).
struct Sleep {
  bool nvidia = false;               ///< All of NVIDIA's cards sleep.
  std::vector<std::string> drivers;  ///< Patterns of Vulkan manifests that would wake a card, "*nvidia*".
};

Sleep find_sleeping(std::span<const Facts> facts, std::vector<HardwareNote>& notes)
{
  Sleep sleep;
  for (const auto& f : facts) {
    if (f.source != "pci") continue;
    const auto all_sleep = [&](std::uint32_t vendor) {
      std::size_t cards = 0, asleep = 0;
      for (const auto& d : f.devices) {
        if (d.vendor_id != vendor || d.unusable) continue;
        ++cards;
        asleep += d.asleep ? 1 : 0;
      }
      return cards > 0 && asleep == cards;
    };
    sleep.nvidia = all_sleep(k_nvidia);
    if (sleep.nvidia) sleep.drivers = {"*nvidia*", "*nouveau*", "*nvk*"};
    if (all_sleep(k_amd)) sleep.drivers.insert(sleep.drivers.end(), {"*radeon*", "*amd*"});
    for (const auto& d : f.devices) {
      if (d.asleep && !d.unusable && !d.weak) {
        notes.push_back(
            {"pci", fmt::format("the GPU at {} is asleep and was not woken; --wake asks its driver", *d.pci_address)});
      }
    }
  }
  return sleep;
}

/// What the child of Vulkan must not load, added to what the user has switched off already.
std::vector<std::string> without_drivers(const std::vector<std::string>& patterns)
{
  if (patterns.empty()) return {};
  const char* set = std::getenv("VK_LOADER_DRIVERS_DISABLE");
  auto value = set != nullptr && *set != '\0' ? std::string(set) + "," : std::string();
  return {fmt::format("VK_LOADER_DRIVERS_DISABLE={}{}", value, fmt::join(patterns, ","))};
}

class Probe {
 public:
  explicit Probe(const ProbeOptions& options) : options_(options), sys_(root(options)) {}

  ProbeTrace run()
  {
    if (!options_.no_gpu) {
      read(PciSource(sys_));
      start_drivers();
    }
    read(HostSource(sys_));
    read(CpuSource(sys_));
    read(MemorySource(sys_));
    if (!options_.no_gpu) {
      read(AmdgpuSource(sys_));
      read(KfdSource(sys_));
      read(NvidiaProcSource(sys_));
      read(SocSource(sys_));
      // Vulkan first: when it fails, its drivers are asked one by one before the deadline. The others' answers wait in their pipes.
      if (vulkan_) read(*vulkan_);
      if (nvml_) read(*nvml_);
      if (drm_) read(*drm_);
      note_surroundings(sys_, notes_);
      note_missing_nodes(sys_, facts_, notes_);
    }
    auto merged = merge_with_reasons(facts_);
    if (sys_.is_this_machine()) add_measurements(merged.profile);
    merged.profile.notes.insert(merged.profile.notes.end(), notes_.begin(), notes_.end());
    if (options_.deep) read_surroundings(sys_, trace_.readings);
    for (const auto& f : facts_) trace_.readings.insert(trace_.readings.end(), f.readings.begin(), f.readings.end());
    trace_.profile = std::move(merged.profile);
    trace_.decisions.insert(trace_.decisions.end(), merged.decisions.begin(), merged.decisions.end());
    return std::move(trace_);
  }

 private:
  static std::filesystem::path root(const ProbeOptions& options)
  {
    const char* captured = std::getenv("CANIRUN_SYSROOT");
    return options.sysroot == "/" && captured != nullptr && *captured != '\0' ? std::filesystem::path(captured) : options.sysroot;
  }

  void start_drivers()
  {
    // A captured machine's device nodes say nothing about the drivers of this one: those count only when they are named.
    const bool named = drivers_named();
    if (std::getenv(k_in_probe_child) != nullptr) return;  // a program that does not forward --probe-child must not start itself over and over
    const bool wanted = named || (sys_.is_this_machine() && (options_.deep || has_device_node(sys_)));
    if (!wanted) {
      trace_.decisions.push_back({"drivers", "Vulkan and NVML", "not opened",
                                  sys_.is_this_machine() ? "no GPU device node exists" : "this is a captured machine"});
      return;
    }
    const auto timeout = options_.timeout.value_or(std::chrono::milliseconds(options_.deep ? 10000 : 2000));
    Sleep sleep;
    if (!options_.wake) sleep = find_sleeping(facts_, notes_);
    // Four copies of up to 512 MiB take a second on a slow integrated GPU.
    const auto copies = options_.measure ? std::chrono::milliseconds(15000) : std::chrono::milliseconds(0);
    vulkan_ = std::make_unique<VulkanSource>(timeout + copies, without_drivers(sleep.drivers), options_.measure);
    if (!sleep.nvidia) nvml_ = std::make_unique<NvmlSource>(timeout);
    if (sys_.is_this_machine() && has_intel_gpu()) drm_ = std::make_unique<DrmSource>(timeout);
  }

  bool has_intel_gpu() const
  {
    return std::ranges::any_of(facts_, [](const Facts& f) {
      return f.source == "pci" && std::ranges::any_of(f.devices, [](const DeviceFacts& d) {
               return (d.driver == "i915" || d.driver == "xe") && !d.asleep && !d.unusable;
             });
    });
  }

  /// Measures the RAM when asked to and remembers all measured figures; otherwise recalls what an earlier run measured.
  void add_measurements(HardwareProfile& profile)
  {
    const auto file = measurement_file();
    if (!options_.measure) {
      if (recall_measurements(profile, file))
        trace_.decisions.push_back(
            {"measurements", "bandwidth", "from the cache", "measured earlier in the same state of the machine"});
      return;
    }
    const auto result = measure_cpu_bandwidth(profile.cpu.usable_cores.value_or(1), profile.memory.available);
    if (!result) {
      notes_.push_back({"measure", "the bandwidth of the RAM was not measured: too little of it is available"});
    } else {
      profile.memory.bandwidth =
          Figure{result->bytes_per_second,
                 "B/s",
                 fmt::format("measured:read by {} threads, busy {:.2f}", profile.cpu.usable_cores.value_or(1), result->busy),
                 FigureConfidence::measured,
                 {}};
      if (result->busy < 0.9)
        notes_.push_back(
            {"measure",
             fmt::format("other programs ran while the RAM was measured (the threads had the processor {:.0f} % of the time)",
                         100 * result->busy)});
    }
    remember_measurements(profile, file);
  }

  template <typename Source>
  void read(Source&& source)
  {
    const auto start = Clock::now();
    auto result = static_cast<ProbeSource&>(source).read();
    if (result) {
      facts_.push_back(std::move(*result));
    } else {
      unavailable(std::string(source.name()), result.error().message);
    }
    trace_.timings.push_back(
        {std::string(source.name()), std::chrono::duration<double, std::milli>(Clock::now() - start).count()});
  }

  /// "No driver here" is an ordinary answer: `doctor` shows it. Only what leaves a gap in the answer becomes a note.
  void unavailable(const std::string& source, const std::string& message)
  {
    trace_.readings.push_back({source, "", "unavailable", message});
    const bool nvidia_here =
        std::ranges::any_of(facts_, [](const Facts& f) { return f.source == "proc-nvidia" && !f.devices.empty(); });
    if (source == "memory" || (source == "nvml" && nvidia_here)) notes_.push_back({source, message});
    const bool gpu_here = std::ranges::any_of(facts_, [](const Facts& f) {
      return std::ranges::any_of(f.devices, [](const DeviceFacts& d) { return !d.weak && !d.unusable; });
    });
    if (source == "vulkan" && gpu_here)
      notes_.push_back({source, message + "; programs on Vulkan see no GPU here until it (libvulkan1) is installed"});
  }

  ProbeOptions options_;
  Sysroot sys_;
  std::vector<Facts> facts_;
  std::vector<HardwareNote> notes_;
  ProbeTrace trace_;
  std::unique_ptr<VulkanSource> vulkan_;
  std::unique_ptr<NvmlSource> nvml_;
  std::unique_ptr<DrmSource> drm_;
};

}  // namespace

ProbeTrace trace_probe(const ProbeOptions& options) { return Probe(options).run(); }

HardwareProfile probe_machine(const ProbeOptions& options) { return trace_probe(options).profile; }

}  // namespace canirun
