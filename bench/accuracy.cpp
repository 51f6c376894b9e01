// Compares estimates with recorded allocations of llama.cpp and prints, per part and per family, how far they are apart.
//
//   accuracy FILE|-  [--worst N] [--part NAME] [--family ARCH] [--models FILE]   (entries beside the catalogue's)
//
// A record is a line of JSON: model, file_type, devs ("none", "CUDA0", "CUDA0,CUDA1", "Vulkan0"), ngl, ot, n_ctx_req, n_batch, n_ubatch,
// n_seq_max, kv_unified, n_outputs_max, type_k, type_v, fa_req, offload_kqv, swa_full, and the bytes of each buffer type in model_bytes,
// kv_bytes, recurrent_bytes and compute_bytes, with output_bytes (see tests/data/allocations.md).

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "allocation_record.hpp"
#include "canirun/formats/catalogue.hpp"

using namespace canirun;

namespace {

struct Options {
  std::string file = "-";
  std::size_t worst = 0;
  std::string part;
  std::string family;
  std::vector<std::filesystem::path> models;
};

struct Error {
  double relative = 0;
  double mib = 0;
  std::size_t line = 0;
};

constexpr double k_mib = 1048576.0;

/// A figure of one part, over many records.
class Column {
 public:
  void add(Bytes estimate, Bytes truth, std::size_t line)
  {
    const auto e = static_cast<double>(estimate.count), t = static_cast<double>(truth.count);
    errors_.push_back({t > 0 ? (e - t) / t : (e > 0 ? 1.0 : 0.0), (e - t) / k_mib, line});
  }
  bool empty() const { return errors_.empty(); }

  void print(const std::string& name)
  {
    std::ranges::sort(errors_, {}, [](const Error& e) { return std::abs(e.relative); });
    const auto n = errors_.size();
    const auto share = [&](auto good) {
      return 100.0 * static_cast<double>(std::ranges::count_if(errors_, good)) / static_cast<double>(n);
    };
    const auto quantile = [&](double q) {
      return 100 * std::abs(errors_[std::min(n - 1, static_cast<std::size_t>(q * static_cast<double>(n)))].relative);
    };
    double worst_mib = 0;
    for (const auto& e : errors_) worst_mib = std::abs(e.mib) > std::abs(worst_mib) ? e.mib : worst_mib;
    fmt::print(
        "{:<28} n {:>6}  exact {:6.2f} %  median {:7.4f} %  p95 {:8.4f} %  worst {:+9.3f} % {:+10.2f} MiB  3%|8MiB {:6.2f} %  1% "
        "{:6.2f} %  low>2% {:5.2f} %\n",
        name, n, share([](const Error& e) { return e.mib == 0; }), quantile(0.5), quantile(0.95), 100 * errors_.back().relative,
        worst_mib, share([](const Error& e) { return std::abs(e.relative) <= 0.03 || std::abs(e.mib) <= 8; }),
        share([](const Error& e) { return std::abs(e.relative) <= 0.01; }),
        share([](const Error& e) { return e.relative < -0.02; }));
  }

  const std::vector<Error>& errors() const { return errors_; }

 private:
  std::vector<Error> errors_;
};

Options parse_options(int argc, char** argv)
{
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&] { return ++i < argc ? std::string(argv[i]) : std::string(); };
    if (word == "--worst") o.worst = static_cast<std::size_t>(std::stoul(value()));
    else if (word == "--part") o.part = value();
    else if (word == "--family") o.family = value();
    else if (word == "--models") o.models.emplace_back(value());
    else o.file = word;
  }
  return o;
}

}  // namespace

int main(int argc, char** argv)
{
  const auto options = parse_options(argc, argv);
  const auto catalogue = load_catalogue({}, options.models);
  if (!catalogue) {
    fmt::print(stderr, "accuracy: {}\n", catalogue.error().message);
    return 2;
  }
  std::ifstream file;
  if (options.file != "-") file.open(options.file);
  auto& in = options.file == "-" ? std::cin : file;
  if (!in) {
    fmt::print(stderr, "accuracy: cannot read {}\n", options.file);
    return 2;
  }

  std::map<std::string, Column> parts;
  std::map<std::string, std::map<std::string, Column>> families;
  std::map<std::pair<std::string, FileType>, TensorPlan> plans;
  std::map<std::string, std::size_t> skipped;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    const auto record = parse_allocation_record(line);
    if (!record) continue;
    if (!options.family.empty() && record->arch != options.family) continue;
    const auto* entry = catalogue->find(record->model);
    if (entry && entry->spec.arch != record->arch) entry = nullptr;  // another model of that name
    if (!entry || unplannable(entry->spec)) {
      ++skipped[record->arch + (entry ? "" : " (" + record->model + " is not in the catalogue)")];
      continue;
    }
    const auto& model = entry->spec;
    auto& plan = plans[{record->model, record->file_type}];
    if (plan.tensors.empty()) plan = tensor_plan(model, record->file_type);
    const auto estimate = estimate_memory(model, plan, record->workload, placement_of(*record, model));
    const auto id = lines.size();
    lines.push_back(line);
    const auto put = [&](const std::string& part, Bytes ours, Bytes theirs) {
      parts[part].add(ours, theirs, id);
      families[record->arch][part].add(ours, theirs, id);
    };
    const auto compare = [&](const std::string& where, const MemoryParts& e, const MemoryParts& t) {
      put("weights " + where, e.weights, t.weights);
      put("kv " + where, e.kv_cache, t.kv_cache);
      if (t.recurrent_state.count || e.recurrent_state.count) put("state " + where, e.recurrent_state, t.recurrent_state);
      if (!estimate.compute_known) return;
      put("compute " + where, e.compute, t.compute);
      const auto sum = [](const MemoryParts& p) { return p.weights + p.kv_cache + p.recurrent_state + p.compute + p.output; };
      put("total " + where, sum(e), sum(t));
    };
    for (std::size_t i = 0; i < record->gpus.size(); ++i) compare("gpu", estimate.gpus[i], record->gpus[i]);
    compare("host", estimate.host, record->host);
    put("output", estimate.host.output, record->host.output);
    put("flash attention", {estimate.flash_attn ? 1u : 0u}, {record->flash_attn ? 1u : 0u});
  }

  for (auto& [name, column] : parts) column.print(name);
  for (auto& [family, columns] : families) {
    fmt::print("\n{}\n", family);
    for (auto& [name, column] : columns) column.print("  " + name);
  }
  for (const auto& [name, n] : skipped) fmt::print("skipped {} records of {}\n", n, name);
  if (options.worst > 0) {
    for (auto& [name, column] : parts) {
      if (!options.part.empty() && name.find(options.part) == std::string::npos) continue;
      fmt::print("\nworst of {}\n", name);
      const auto& errors = column.errors();
      for (std::size_t i = 0; i < std::min(options.worst, errors.size()); ++i) {
        const auto& e = errors[errors.size() - 1 - i];
        if (e.mib == 0) break;
        fmt::print("  {:+8.3f} % {:+9.3f} MiB  {}\n", 100 * e.relative, e.mib, lines[e.line]);
      }
    }
  }
}
