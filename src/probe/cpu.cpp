#include <fmt/format.h>
#include <hwloc.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "probe/arm_names.hpp"
#include "probe/cgroup.hpp"
#include "probe/host_sources.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace canirun {

namespace {

struct TopologyDelete {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using Topology = std::unique_ptr<hwloc_topology, TopologyDelete>;

struct BitmapDelete {
  void operator()(hwloc_bitmap_t bitmap) const { hwloc_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<hwloc_bitmap_s, BitmapDelete>;

/// Sets a variable of the environment and puts it back: hwloc reads its settings there when it starts.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name)
  {
    if (const char* now = std::getenv(name)) before_ = now;
    ::setenv(name, value, 1);
  }
  ~ScopedVariable()
  {
    if (before_) {
      ::setenv(name_, before_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

Topology load_topology(const Sysroot& sys)
{
  // A captured machine without its processors is not asked about: hwloc would answer with this machine's.
  if (!sys.is_this_machine() && !sys.exists("/sys/devices/system/cpu/cpu0/topology")) return nullptr;
  // hwloc's plugins look at GPUs, and the GL one can hang.
  const ScopedVariable plugins("HWLOC_PLUGINS_PATH", "/nonexistent"), quiet("HWLOC_HIDE_ERRORS", "2");
  std::optional<ScopedVariable> root, components;
  if (!sys.is_this_machine()) {
    root.emplace("HWLOC_FSROOT", sys.root().c_str());
    components.emplace("HWLOC_COMPONENTS", "linux,stop");
  }
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return nullptr;
  Topology topology(raw);
  hwloc_topology_set_flags(raw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED | HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING);
  hwloc_topology_set_io_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_NONE);
  hwloc_topology_set_cache_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_NONE);
  hwloc_topology_set_icache_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_NONE);
  if (hwloc_topology_load(raw) != 0) return nullptr;
  return topology;
}

/// The processors this process may run on: "Cpus_allowed_list:\t0-3,8" of /proc/self/status.
Bitmap affinity(const Sysroot& sys)
{
  const auto text = sys.read("proc/self/status").value_or("");
  for (const auto row : split(text, '\n')) {
    constexpr std::string_view k_key = "Cpus_allowed_list:";
    if (!row.starts_with(k_key)) continue;
    Bitmap set(hwloc_bitmap_alloc());
    const std::string list(trim(row.substr(k_key.size())));
    if (set && hwloc_bitmap_list_sscanf(set.get(), list.c_str()) == 0 && hwloc_bitmap_iszero(set.get()) == 0) return set;
  }
  return nullptr;
}

/// What the cores of one kind can do, comparable within one machine: the kernel's capacity, else the top frequency.
double capacity(hwloc_topology_t topology, unsigned kind, hwloc_bitmap_t set)
{
  int efficiency = 0;
  unsigned n = 0;
  struct hwloc_info_s* infos = nullptr;
  if (hwloc_cpukinds_get_info(topology, kind, set, &efficiency, &n, &infos, 0) != 0) return 0;
  double value = 0;
  for (const std::string_view wanted : {"LinuxCapacity", "FrequencyMaxMHz"}) {
    for (unsigned i = 0; i < n && value == 0; ++i) {
      if (infos[i].name == wanted) value = std::atof(infos[i].value);
    }
  }
  return value;
}

/// Cores of the strongest kind within `usable`. Kinds whose capacity differs by less than 10 % count as one: favoured cores of a
/// uniform processor differ by that much (Ryzen 9 7950X: 5.45 to 5.88 GHz).
std::optional<std::uint32_t> performance_cores(hwloc_topology_t topology, const hwloc_bitmap_s* usable)
{
  const int n = hwloc_cpukinds_get_nr(topology, 0);
  if (n < 2) return std::nullopt;
  std::vector<std::pair<double, Bitmap>> kinds;
  for (unsigned i = 0; i < static_cast<unsigned>(n); ++i) {
    Bitmap set(hwloc_bitmap_alloc());
    const double c = capacity(topology, i, set.get());
    kinds.emplace_back(c, std::move(set));
  }
  double best = 0;
  for (const auto& kind : kinds) best = std::max(best, kind.first);
  std::uint32_t count = 0;
  const int cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
  for (int i = 0; i < cores; ++i) {
    const auto* core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, static_cast<unsigned>(i));
    if (hwloc_bitmap_intersects(core->cpuset, usable) == 0) continue;
    // hwloc orders kinds by efficiency, the strongest last; without any capacity only the last counts.
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      if (hwloc_bitmap_intersects(core->cpuset, kinds[k].second.get()) == 0) continue;
      count += (best > 0 ? kinds[k].first >= 0.9 * best : k + 1 == kinds.size()) ? 1U : 0U;
      break;
    }
  }
  return count;
}

/// Fills cores and NUMA nodes of `cpu` from hwloc.
void read_topology(hwloc_topology_t topology, const hwloc_bitmap_s* mask, Cpu& cpu)
{
  const auto count = [&](hwloc_obj_type_t type) {
    return static_cast<std::uint32_t>(std::max(0, hwloc_get_nbobjs_by_type(topology, type)));
  };
  const auto cores = count(HWLOC_OBJ_CORE);
  const auto pus = count(HWLOC_OBJ_PU);
  if (pus == 0) return;
  Bitmap usable(hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(topology)));
  if (mask != nullptr && hwloc_bitmap_intersects(usable.get(), mask) != 0) hwloc_bitmap_and(usable.get(), usable.get(), mask);
  // Some virtual machines and ARM boards do not say which processors share a core: then each is one.
  const auto unit = cores > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
  std::uint32_t within = 0;
  for (unsigned i = 0; i < count(unit); ++i) {
    within += hwloc_bitmap_intersects(hwloc_get_obj_by_type(topology, unit, i)->cpuset, usable.get()) != 0 ? 1U : 0U;
  }
  cpu.logical_cores = pus;
  cpu.physical_cores = cores > 0 ? cores : pus;
  cpu.usable_cores = within;
  cpu.performance_cores = cores > 0 ? performance_cores(topology, usable.get()) : std::nullopt;
  std::uint32_t nodes = 0;
  for (unsigned i = 0; i < count(HWLOC_OBJ_NUMANODE); ++i) {
    const auto* node = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, i);
    const bool gpu = node->subtype != nullptr && std::string_view(node->subtype) == "GPUMemory";
    nodes += gpu ? 0U : 1U;
  }
  cpu.numa_nodes = nodes;
}

// Flags of /proc/cpuinfo that decide which kernels a CPU runtime uses (ggml-cpu/arch: the features its variants are built for).
constexpr std::array<std::string_view, 22> k_flags{"sse4_2",   "avx",      "avx2",     "fma",      "f16c",        "bmi2",
                                                   "avx_vnni", "avx512f",  "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
                                                   "amx_tile", "amx_int8", "amx_bf16", "asimd",    "asimddp",     "i8mm",
                                                   "sve",      "sve2",     "sme",      "bf16"};

/// What /proc/cpuinfo says: model, flags, and cores where hwloc has no topology to read.
void read_cpuinfo(const Sysroot& sys, Cpu& cpu)
{
  const auto text = sys.read("proc/cpuinfo", 1 << 20).value_or("");
  std::vector<std::string> cores;
  std::string package;
  std::uint32_t processors = 0;
  bool flags_seen = !cpu.isa.empty();
  for (const auto row : split(text, '\n')) {
    const auto colon = row.find(':');
    if (colon == std::string_view::npos) continue;
    const auto key = trim(row.substr(0, colon)), value = trim(row.substr(colon + 1));
    if (key == "processor") ++processors;
    if (key == "physical id") package = value;
    if (key == "core id") cores.push_back(package + "/" + std::string(value));
    if ((key == "model name" || key == "Model") && cpu.model.empty()) cpu.model = clean_text(value).value_or("");
    if ((key == "flags" || key == "Features") && !flags_seen) {
      flags_seen = true;
      const auto words = split(value, ' ');
      for (const auto flag : k_flags) {
        if (std::ranges::find(words, flag) != words.end()) cpu.isa.emplace_back(flag);
      }
    }
  }
  if (cpu.model.empty()) cpu.model = arm_name(text);
  if (cpu.logical_cores || processors == 0) return;
  std::ranges::sort(cores);
  const auto distinct = static_cast<std::uint32_t>(std::unique(cores.begin(), cores.end()) - cores.begin());
  cpu.logical_cores = processors;
  cpu.physical_cores = distinct > 0 ? distinct : processors;
  cpu.usable_cores = cpu.physical_cores;
}

#if defined(__x86_64__)
/// Instruction sets and name straight from the processor: /proc/cpuinfo takes milliseconds on a machine of many cores.
/// __builtin_cpu_supports also checks that the system saves the registers.
void read_cpuid(Cpu& cpu)
{
  __builtin_cpu_init();
  const auto add = [&](bool has, const char* name) {
    if (has) cpu.isa.emplace_back(name);
  };
  unsigned a = 0, b = 0, c = 0, d = 0, a1 = 0, b1 = 0, c1 = 0, d1 = 0;
  const bool leaf7 = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0;
  const bool leaf71 = leaf7 && a >= 1 && __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1) != 0;
  const bool avx = __builtin_cpu_supports("avx") != 0, avx512 = __builtin_cpu_supports("avx512f") != 0;
  unsigned f16c_a = 0, f16c_b = 0, f16c_c = 0, f16c_d = 0;
  const bool f16c = __get_cpuid(1, &f16c_a, &f16c_b, &f16c_c, &f16c_d) != 0 && ((f16c_c >> 29) & 1U) != 0;
  add(__builtin_cpu_supports("sse4.2") != 0, "sse4_2");
  add(avx, "avx");
  add(__builtin_cpu_supports("avx2") != 0, "avx2");
  add(__builtin_cpu_supports("fma") != 0, "fma");
  add(avx && f16c, "f16c");
  add(__builtin_cpu_supports("bmi2") != 0, "bmi2");
  add(avx && leaf71 && ((a1 >> 4) & 1U) != 0, "avx_vnni");
  add(avx512, "avx512f");
  add(__builtin_cpu_supports("avx512bw") != 0, "avx512bw");
  add(__builtin_cpu_supports("avx512vl") != 0, "avx512vl");
  add(__builtin_cpu_supports("avx512vnni") != 0, "avx512_vnni");
  add(avx512 && leaf71 && ((a1 >> 5) & 1U) != 0, "avx512_bf16");
  add(avx512 && leaf7 && ((d >> 24) & 1U) != 0, "amx_tile");
  add(avx512 && leaf7 && ((d >> 25) & 1U) != 0, "amx_int8");
  add(avx512 && leaf7 && ((d >> 22) & 1U) != 0, "amx_bf16");
  std::string brand;
  for (unsigned leaf = 0x80000002U; leaf <= 0x80000004U; ++leaf) {
    unsigned r[4] = {};
    if (__get_cpuid(leaf, &r[0], &r[1], &r[2], &r[3]) == 0) break;
    brand.append(reinterpret_cast<const char*>(r), sizeof r);
  }
  cpu.model = clean_text(std::string_view(brand.c_str())).value_or("");
}
#endif

/// A processor whose numbers are not known: the board's name is the best there is.
std::string board_name(const Sysroot& sys)
{
  const auto model = sys.read("proc/device-tree/model", 256).value_or("");
  return clean_text(std::string_view(model.c_str())).value_or("");
}

}  // namespace

Result<Facts> CpuSource::read()
{
  Facts facts{.source = "cpu"};
  CpuFacts out;
  const auto topology = load_topology(sys_);
  const auto mask = affinity(sys_);
  if (topology) {
    read_topology(topology.get(), mask.get(), out.cpu);
    if (sys_.is_this_machine() && hwloc_topology_is_thissystem(topology.get()) == 0) {
      facts.note("the processor is simulated: hwloc was told to read another topology (HWLOC_* variables)");
    }
  }
#if defined(__x86_64__)
  if (sys_.is_this_machine()) {
    read_cpuid(out.cpu);
    if (!out.cpu.logical_cores) read_cpuinfo(sys_, out.cpu);
  } else {
    read_cpuinfo(sys_, out.cpu);
  }
#else
  read_cpuinfo(sys_, out.cpu);
#endif
  if (out.cpu.model.empty()) out.cpu.model = board_name(sys_);
  out.quota = cgroup_cpu_quota(sys_, facts);
  const auto show = [&](const char* key, const std::optional<std::uint32_t>& value) {
    facts.reading("", key, value ? fmt::format("{}", *value) : "unknown");
  };
  facts.reading("", "model", out.cpu.model);
  show("physical cores", out.cpu.physical_cores);
  show("logical cores", out.cpu.logical_cores);
  show("cores within affinity", out.cpu.usable_cores);
  show("performance cores", out.cpu.performance_cores);
  show("NUMA nodes", out.cpu.numa_nodes);
  facts.reading("", "instruction sets", fmt::format("{}", fmt::join(out.cpu.isa, " ")));
  if (!out.cpu.physical_cores)
    facts.note("the number of cores is unknown: neither hwloc nor /proc/cpuinfo could be read; state it with --cores");
  facts.cpu = std::move(out);
  return facts;
}

}  // namespace canirun
