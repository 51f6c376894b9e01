// Compares estimates with load logs that users pasted: model, cache and compute buffers on the GPUs and on the host.
//
//   logs [FILE|-] [--all]        --all: other engines (forks, old releases) are printed too, and never counted
//
// A record is a line of JSON (log_record.hpp). Counted are the figures that the log explains: a model that it names or whose shape
// it prints, a context that it prints, a file of llama-quantize's own mix. The others are listed with the reason.

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <iostream>
#include <map>

#include "canirun/core/runtime.hpp"
#include "canirun/formats/gpu_table.hpp"
#include "log_record.hpp"

using namespace canirun;

namespace {

constexpr double k_mib = 1048576.0;
constexpr double k_bar = 0.02;

struct Count {
  std::size_t n = 0, within = 0;
};

double mib(Bytes b) { return static_cast<double>(b.count) / k_mib; }

Placement placement_of(const LogRecord& r, const ModelSpec& model)
{
  Placement p;
  p.n_layers = model.n_layer + model.n_layer_nextn;
  p.backend = r.n_gpus ? r.backend : Backend::cpu;
  const bool all = !r.offloaded || (r.offloadable && *r.offloaded == *r.offloadable);
  p.n_gpu_layers = r.n_gpus == 0 ? 0 : all ? p.n_layers + 1 : *r.offloaded;
  p.output_layer_last = r.older_placement;
  for (std::size_t i = 0; i < r.n_gpus; ++i) {
    p.gpus.push_back(i);
    p.split.push_back(1.0 / static_cast<double>(r.n_gpus));
  }
  p.mode = r.n_gpus == 0 ? Placement::Mode::cpu : all ? Placement::Mode::gpu : Placement::Mode::split;
  return p;
}

/// One figure: printed, and counted when the log explains it. A log rounds to 0.01 MiB, so small figures have that much room.
void compare(const LogRecord& r, std::map<std::string, Count>& counts, const std::string& part, double log, double ours,
             const std::string& why_not)
{
  const auto error = log > 0 ? (ours - log) / log : 0;
  const bool within = std::abs(ours - log) <= std::max(k_bar * log, 0.011);
  fmt::print("  {:<16} {:>12.2f} {:>12.2f} {:>+9.2f} %  {}\n", part, log, ours, 100 * error,
             why_not.empty() ? (within ? "ok" : "MISS") : "not counted: " + why_not);
  if (!r.mainline() || !why_not.empty()) return;
  auto& c = counts[part];
  ++c.n;
  c.within += within;
}

/// Whether the program would refuse the run of an `oom` log at the capacity of the cards it names.
std::string refusal(const LogRecord& r, const GpuTable& table)
{
  HardwareProfile machine;
  machine.memory.total = Bytes{std::uint64_t{4} << 40};
  for (const auto& name : r.devices) {
    const auto match = table.lookup(name, std::nullopt);
    if (!match) return "card unknown: " + name;
    machine.gpus.insert(machine.gpus.end(), match->gpus.begin(), match->gpus.end());
  }
  if (machine.gpus.empty()) return "the log names no card";
  Question question;
  question.workload = r.workload;
  question.quants = {r.file_type.value_or(FileType::Q4_K_M)};
  question.placement.n_gpu_layers =
      r.offloaded && r.offloadable && *r.offloaded < *r.offloadable ? static_cast<std::int32_t>(*r.offloaded) : -1;
  if (r.backend != Backend::cpu) question.placement.backend = r.backend;
  if (r.overrides && r.entry->spec.moe) question.placement.n_cpu_moe = UINT32_MAX;
  const auto report = evaluate(r.entry->spec, r.entry->facts, machine, question);
  if (report.quants.empty()) return "not planned";
  return report.quants.front().fits ? "ACCEPTED" : "refused";
}

}  // namespace

int main(int argc, char** argv)
{
  std::string path = "-";
  bool all = false;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--all") all = true;
    else path = argv[i];
  }
  const auto catalogue = Catalogue::builtin();
  const auto table = GpuTable::builtin();
  if (!catalogue || !table) {
    fmt::print(stderr, "logs: {}\n", catalogue ? table.error().message : catalogue.error().message);
    return 2;
  }
  std::ifstream file;
  if (path != "-") file.open(path);
  auto& in = path == "-" ? std::cin : file;
  if (!in) {
    fmt::print(stderr, "logs: cannot read {}\n", path);
    return 2;
  }

  std::map<std::string, Count> counts;
  std::map<std::string, std::size_t> left_out, oom;
  for (std::string line; std::getline(in, line);) {
    auto r = parse_log_record(line, *catalogue);
    if (!r || (!r->mainline() && !all)) continue;
    fmt::print("\n{} {} | {} | {}{}\n", r->id, r->engine, r->model, r->entry ? r->entry->spec.id : "?",
               r->mainline() ? "" : " (not counted)");
    if (!r->entry || unplannable(r->spec)) {
      if (r->mainline()) ++left_out[r->entry ? "family without a plan" : "the model is not named, or not in the catalogue"];
      if (r->mainline() && r->oom) ++oom["model unknown"];
      continue;
    }
    const auto& model = r->spec;
    const auto plan = tensor_plan(model, r->file_type.value_or(FileType::Q4_K_M));
    const auto placement = placement_of(*r, model);
    const auto e = estimate_memory(model, plan, r->workload, placement);
    MemoryParts gpu;
    for (const auto& g : e.gpus) gpu += g;

    std::string no_weights;
    if (!r->file_type) no_weights = "the log does not say the file type";
    else if (r->own_mix) no_weights = "types chosen by the publisher";
    else if (r->file_gib > 0 && std::abs(r->file_gib / to_gib(plan.total_bytes()).value - 1) > k_bar) {
      no_weights = fmt::format("a file of {:.3f} GiB, {} by llama-quantize is {:.3f}", r->file_gib, name(*r->file_type),
                               to_gib(plan.total_bytes()).value);
    }
    if (no_weights.empty() && r->overrides) no_weights = "tensors moved by name";
    if (no_weights.empty() && r->other_backend) no_weights = "a device that is not modelled";
    // Without a host buffer of its own what the host uses lies within the range that the GPU maps.
    const auto range = r->mapped_range && !r->weights.host ? mib(e.host.weights) : 0;
    if (r->weights.gpu) compare(*r, counts, "weights gpu", *r->weights.gpu, mib(gpu.weights) + range, no_weights);
    // Without a GPU the file is mapped whole and repacked copies stand beside it.
    if (r->weights.host && r->weights.gpu) compare(*r, counts, "weights host", *r->weights.host, mib(e.host.weights), no_weights);
    const std::string no_ctx = r->n_ctx_known ? "" : "the log does not say the context";
    if (r->kv.gpu) compare(*r, counts, "kv gpu", *r->kv.gpu, mib(gpu.kv_cache), no_ctx);
    if (r->kv.host) compare(*r, counts, "kv host", *r->kv.host, mib(e.host.kv_cache), no_ctx);
    const std::string drafts = r->drafts ? "drafting keeps states of its own" : "";
    if (r->state.gpu) compare(*r, counts, "state gpu", *r->state.gpu, mib(gpu.recurrent_state), drafts);
    if (r->state.host) compare(*r, counts, "state host", *r->state.host, mib(e.host.recurrent_state), drafts);
    const std::string no_compute = !no_ctx.empty()      ? no_ctx
                                   : !r->n_ubatch_known ? "the log does not say the micro-batch"
                                   : r->overrides       ? "tensors moved by name"
                                                        : drafts;
    if (r->compute.gpu) compare(*r, counts, "compute gpu", *r->compute.gpu, mib(gpu.compute), no_compute);
    if (r->compute.host) compare(*r, counts, "compute host", *r->compute.host, mib(e.host.compute), no_compute);
    if (r->oom) {
      const auto verdict = refusal(*r, *table);
      fmt::print("  out of memory: {}\n", verdict);
      if (r->mainline()) ++oom[verdict];
    }
  }
  fmt::print("\nwithin {:.0f} % of the log\n", 100 * k_bar);
  for (const auto& [part, c] : counts) fmt::print("  {:<16} {:>3} of {:>3}\n", part, c.within, c.n);
  for (const auto& [why, n] : oom) fmt::print("out of memory: {} {}\n", n, why);
  for (const auto& [why, n] : left_out) fmt::print("left out: {} records, {}\n", n, why);
}
