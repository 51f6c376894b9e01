#include <algorithm>
#include <bit>
#include <cmath>
#include <fmt/format.h>

#include "canirun/core/fnv1a.hpp"
#include "canirun/core/fleet.hpp"

/// \file
/// Which machines are equal: everything that the chain reads of a profile, and nothing else.

namespace canirun {

namespace {

// Equal machines report sizes that differ a little: MemTotal lacks what the kernel and its crash kernel keep, drivers keep some VRAM.
constexpr std::uint64_t k_size_steps = 64;
// Runs of a bandwidth measurement on one machine lie within a few percent of each other.
constexpr double k_measured_step = 1.1;

/// The nearest of 64 steps to the next power of two.
std::uint64_t rounded(Bytes size)
{
  const auto step = std::max<std::uint64_t>(1, std::bit_floor(size.count) / k_size_steps);
  return (size.count + step / 2) / step * step;
}

std::string size_key(const std::optional<Bytes>& size) { return size ? std::to_string(rounded(*size)) : "-"; }
std::string size_key(const OptionalFigure& size) { return size ? std::to_string(rounded(size->bytes())) : "-"; }

std::string rate_key(const OptionalFigure& rate)
{
  if (!rate || rate->value <= 0) return "-";
  if (rate->confidence != FigureConfidence::measured)
    return fmt::format("{:a}{}", rate->value, rate->confidence == FigureConfidence::assumed ? "?" : "");
  return fmt::format("m{}", std::lround(std::log(rate->value) / std::log(k_measured_step)));
}

std::string list_key(std::vector<std::string> items)
{
  std::ranges::sort(items);
  return fmt::format("{}", fmt::join(items, ","));
}

std::string count_key(const std::optional<std::uint32_t>& n) { return n ? std::to_string(*n) : "-"; }

/// Names come from drivers and end up in a key whose parts must stay apart.
std::string text_key(std::string_view text) { return fmt::format("{}:{}", text.size(), text); }

std::string class_key(const HardwareProfile& p, BudgetKind budget)
{
  const bool free = budget == BudgetKind::free;
  const auto& c = p.cpu;
  auto key = fmt::format("arch {};isa {};cores {} {} {} {};ram {} {} {} {}", text_key(p.host.arch), list_key(c.isa),
                         count_key(c.physical_cores), count_key(c.logical_cores), count_key(c.usable_cores),
                         count_key(c.performance_cores), size_key(p.memory.total), size_key(p.memory.limit),
                         free || !p.memory.total ? size_key(p.memory.available) : "", rate_key(p.memory.bandwidth));
  for (const auto& g : p.gpus) {
    key += fmt::format(";gpu {} {} {} {} {} {} {} {} {} {} {} {} {} {}", text_key(g.name), text_key(g.vendor),
                       static_cast<int>(g.type), list_key(g.backends), g.unified_memory, text_key(g.architecture),
                       size_key(g.memory_total), size_key(g.memory_reserved), size_key(g.memory_dedicated),
                       free ? size_key(g.memory_free) : "", rate_key(g.bandwidth), rate_key(g.fp16_tflops),
                       rate_key(g.fp32_tflops), g.from_table);
  }
  return key;
}

void keep_least(std::optional<Bytes>& a, const std::optional<Bytes>& b)
{
  if (a && b) a = std::min(*a, *b);
}

/// Figures of one class are both there or both absent. Of equal values the first source by name stays, whatever came first.
void keep_least(OptionalFigure& a, const OptionalFigure& b)
{
  if (a && b && std::pair(b->value, std::string_view(b->source)) < std::pair(a->value, std::string_view(a->source))) a = b;
}

/// The driver's reserve is taken off: the most of it leaves the least.
void keep_most(OptionalFigure& a, const OptionalFigure& b)
{
  if (a && b && std::pair(b->value, std::string_view(b->source)) > std::pair(a->value, std::string_view(a->source))) a = b;
}

void keep_least(HardwareProfile& a, const HardwareProfile& b)
{
  keep_least(a.memory.total, b.memory.total);
  keep_least(a.memory.limit, b.memory.limit);
  keep_least(a.memory.available, b.memory.available);
  keep_least(a.memory.bandwidth, b.memory.bandwidth);
  a.cpu.model = std::min(a.cpu.model, b.cpu.model);
  for (std::size_t i = 0; i < a.gpus.size(); ++i) {
    auto& g = a.gpus[i];
    const auto& h = b.gpus[i];
    keep_least(g.memory_total, h.memory_total);
    keep_most(g.memory_reserved, h.memory_reserved);
    keep_least(g.memory_dedicated, h.memory_dedicated);
    keep_least(g.memory_free, h.memory_free);
    keep_least(g.bandwidth, h.bandwidth);
    keep_least(g.fp16_tflops, h.fp16_tflops);
    keep_least(g.fp32_tflops, h.fp32_tflops);
  }
}

/// What is left of a profile when it stands for many: nothing of the one machine it came from.
HardwareProfile anonymous(const HardwareProfile& p, BudgetKind budget)
{
  HardwareProfile out;
  out.host.arch = p.host.arch;
  out.cpu = p.cpu;
  out.cpu.numa_nodes.reset();
  std::ranges::sort(out.cpu.isa);
  out.memory = p.memory;
  out.memory.swap_free.reset();
  if (budget == BudgetKind::capacity && p.memory.total) out.memory.available.reset();
  if (out.memory.bandwidth) out.memory.bandwidth->alternatives.clear();
  out.gpus = p.gpus;
  for (auto& g : out.gpus) {
    g.pci_address.reset(), g.pci_id.reset(), g.uuid.reset(), g.driver.reset(), g.table_id.reset();
    std::ranges::sort(g.backends);
    if (budget == BudgetKind::capacity) g.memory_free.reset();
    for (auto* f : {&g.memory_total, &g.memory_reserved, &g.memory_dedicated, &g.memory_free, &g.bandwidth, &g.fp16_tflops,
                    &g.fp32_tflops}) {
      if (*f) (*f)->alternatives.clear();
    }
  }
  return out;
}

Bytes memory_of(const HardwareProfile& p)
{
  auto sum = p.memory.total.value_or(Bytes{});
  for (const auto& g : p.gpus) sum += g.memory_total ? g.memory_total->bytes() : Bytes{};
  return sum;
}

std::string hex_id(std::string_view key)
{
  Fnv1a hash;
  hash.add(key);
  return fmt::format("{:012x}", hash.value >> 16);
}

}  // namespace

std::string machine_name(const HardwareProfile& p)
{
  std::string out;
  for (std::size_t i = 0; i < p.gpus.size();) {
    const auto& g = p.gpus[i];
    std::size_t n = 1;
    while (i + n < p.gpus.size() && p.gpus[i + n].name == g.name) ++n;
    i += n;
    if (g.type == GpuType::cpu) continue;
    out += fmt::format("{}{}{}", out.empty() ? "" : " + ", n > 1 ? fmt::format("{} × ", n) : "", g.name);
    const bool says_size = g.name.find("GB") != std::string::npos || g.name.find("GiB") != std::string::npos;
    if (g.memory_total && !g.unified_memory && !says_size)
      out += fmt::format(" {:.0f} GiB", to_gib(g.memory_total->bytes()).value);
  }
  if (out.empty()) out = "no GPU";
  const auto ram = p.memory.limit && p.memory.total ? std::min(*p.memory.limit, *p.memory.total) : p.memory.total;
  if (ram) out += fmt::format(", {:.0f} GiB RAM", to_gib(*ram).value);
  auto cores = p.cpu.usable_cores ? p.cpu.usable_cores : p.cpu.physical_cores;
  if (cores) out += fmt::format(", {} core{}", *cores, *cores == 1 ? "" : "s");
  return out;
}

void ClassFolder::add(HardwareProfile profile)
{
  auto key = class_key(profile, budget_);
  auto one = anonymous(profile, budget_);
  if (profile.host.name) {
    auto& named = named_[*profile.host.name];
    ++named.profiles;
    const auto [at, fresh] = named.least.try_emplace(std::move(key), one);
    if (!fresh) keep_least(at->second, one);
    return;
  }
  const auto [at, fresh] = folded_.try_emplace(std::move(key), Folded{one, 0, {}});
  if (!fresh) keep_least(at->second.least, one);
  ++at->second.machines;
}

std::vector<std::pair<std::string, std::uint64_t>> ClassFolder::repeated() const
{
  std::vector<std::pair<std::string, std::uint64_t>> hosts;
  for (const auto& [host, named] : named_) {
    if (named.profiles > 1) hosts.emplace_back(host, named.profiles);
  }
  return hosts;
}

std::vector<MachineClass> ClassFolder::classes() const
{
  auto all = folded_;
  for (const auto& [host, named] : named_) {
    const auto& [key, one] =
        *std::ranges::min_element(named.least, {}, [](const auto& entry) { return memory_of(entry.second); });
    const auto [at, fresh] = all.try_emplace(key, Folded{one, 0, {}});
    if (!fresh) keep_least(at->second.least, one);
    ++at->second.machines;
    at->second.hosts.push_back(host);
  }
  std::vector<MachineClass> classes;
  classes.reserve(all.size());
  for (auto& [key, folded] : all) {
    classes.push_back(
        {hex_id(key), machine_name(folded.least), std::move(folded.least), folded.machines, std::move(folded.hosts)});
  }
  std::ranges::stable_sort(classes, std::ranges::greater{}, &MachineClass::machines);  // by key before, from the map
  return classes;
}

}  // namespace canirun
