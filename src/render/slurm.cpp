#include <algorithm>
#include <cctype>
#include <fmt/format.h>

#include "operator_facts.hpp"
#include "renderers.hpp"

/// \file
/// Lines for slurm.conf and gres.conf (their manual pages): CPUs, memory, generic resources and features of a node.

namespace canirun {

namespace {

/// Features and GRES types are lists with commas and colons, and --constraint has operators of its own: & | ! * [ ] ( ) , and blanks.
std::string word(std::string_view text)
{
  std::string out;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
    if (plain) out += c;
    else if (!out.empty() && out.back() != '_') out += '_';
  }
  while (!out.empty() && out.back() == '_') out.pop_back();
  return out;
}

std::string lower(std::string text)
{
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

struct GresType {
  std::string type;
  std::size_t first = 0;  ///< Device number of the first; equal cards have consecutive ones as a rule.
  std::size_t count = 0;
  bool nvidia = false;
};

std::vector<GresType> gres_types(const OperatorFacts& facts)
{
  std::vector<GresType> types;
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    const auto& gpu = facts.gpus[i];
    const auto type = lower(word(gpu.name));
    const auto at = std::ranges::find(types, type, &GresType::type);
    if (at != types.end()) ++at->count;
    else types.push_back({type, i, 1, gpu.vendor == "NVIDIA"});
  }
  return types;
}

/// The lines of one node.
struct NodeLines {
  std::string slurm, gres;
};

NodeLines lines_of(const Report& report)
{
  const auto& hw = report.hardware;
  const auto facts = operator_facts(hw);
  const auto types = gres_types(facts);
  // Lines after NodeName=DEFAULT take its values over: what is right for a file of equal nodes.
  const auto name_of_node = hw.host.name ? *hw.host.name : report.machine;
  const auto node = name_of_node.empty() ? std::string("DEFAULT") : word(name_of_node);

  std::vector<std::string> features;
  if (!facts.gpus.empty()) features.push_back(fmt::format("vram{}", facts.vram_gib));
  for (const auto& t : types) features.push_back(t.type);
  for (const auto& m : report.models) {
    if (!m.grade || !m.best || !m.quants[*m.best].fits) continue;
    features.push_back(word(m.id));
    features.push_back(fmt::format("{}_{}", word(m.id), name(*m.grade)));
  }

  std::vector<std::string> gres;
  gres.reserve(types.size());
  for (const auto& t : types) gres.push_back(fmt::format("gpu:{}:{}", t.type, t.count));
  auto out = "NodeName=" + node;
  if (const auto cpus = hw.cpu.logical_cores.value_or(facts.cores); cpus > 0) out += fmt::format(" CPUs={}", cpus);
  // RealMemory is in MiB and must not be more than slurmd finds.
  const auto ram = hw.memory.limit && hw.memory.total ? std::min(*hw.memory.limit, *hw.memory.total) : hw.memory.total;
  if (ram) out += fmt::format(" RealMemory={}", ram->count >> 20);
  if (!gres.empty()) out += fmt::format(" Gres={}", fmt::join(gres, ","));
  if (!features.empty()) out += fmt::format(" Feature={}", fmt::join(features, ","));
  NodeLines lines{out + "\n", {}};
  // slurmd counts a GPU only where it knows its device file. NVIDIA's are numbered in the order of the bus.
  for (const auto& t : types) {
    const auto host = name_of_node.empty() ? std::string() : "NodeName=" + node + " ";
    if (!t.nvidia) lines.gres += fmt::format("# {}Name=gpu Type={} Count={} File=/dev/dri/renderD...\n", host, t.type, t.count);
    else if (t.count == 1) lines.gres += fmt::format("{}Name=gpu Type={} File=/dev/nvidia{}\n", host, t.type, t.first);
    else lines.gres += fmt::format("{}Name=gpu Type={} File=/dev/nvidia[{}-{}]\n", host, t.type, t.first, t.first + t.count - 1);
  }
  return lines;
}

}  // namespace

std::string render_slurm(Reports reports, const RenderOptions&)
{
  std::string nodes, gres;
  for (const auto& report : reports) {
    const auto lines = lines_of(report);
    nodes += lines.slurm;
    gres += lines.gres;
  }
  return "# slurm.conf (GresTypes=gpu where a node has GPUs)\n" + nodes + (gres.empty() ? "" : "# gres.conf\n" + gres);
}

}  // namespace canirun
