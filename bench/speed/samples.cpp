#include "samples.hpp"

#include <algorithm>
#include <istream>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <tuple>

#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/gpu_table.hpp"

namespace canirun {

namespace {

using json = nlohmann::json;

std::string text(const json& record, const char* key)
{
  const auto it = record.find(key);
  return it != record.end() && it->is_string() ? it->get<std::string>() : std::string();
}

double number(const json& record, const char* key)
{
  const auto it = record.find(key);
  return it != record.end() && it->is_number() ? it->get<double>() : 0;
}

bool flag(const json& record, const char* key, bool otherwise)
{
  const auto it = record.find(key);
  return it != record.end() && it->is_boolean() ? it->get<bool>() : otherwise;
}

/// llama-quantize's type of a label; "UD-Q4_K_XL" mixes have the bulk of their weights in the type they are named after.
std::optional<FileType> type_of(std::string label)
{
  if (label.starts_with("UD-")) label.erase(0, 3);
  if (const auto type = parse_file_type(label)) return type;
  if (label == "Q8_K_XL") return FileType::Q8_0;
  if (label.ends_with("_XL")) {
    label.replace(label.size() - 3, 3, label.starts_with("Q6") ? "" : "_M");
    if (label == "Q2_K_M") label = "Q2_K";
    return parse_file_type(label);
  }
  return std::nullopt;
}

Backend backend_of(const json& record, const Gpu& gpu)
{
  if (const auto stated = parse_backend(text(record, "backend"))) return *stated;
  if (gpu.vendor == "NVIDIA") return Backend::cuda;
  return gpu.vendor == "Apple" ? Backend::metal : Backend::vulkan;
}

}  // namespace

std::vector<Sample> read_samples(std::istream& in, std::ostream& log)
{
  const auto catalogue = Catalogue::builtin();
  const auto table = GpuTable::builtin();
  std::vector<Sample> samples;
  std::map<std::string, int> skipped;
  std::set<std::string> unplanned;
  for (std::string line; std::getline(in, line);) {
    const auto r = json::parse(line, nullptr, false);
    if (r.is_discarded()) {
      ++skipped["not JSON"];
      continue;
    }
    if (!text(r, "suspect").empty()) {
      ++skipped["suspect"];
      continue;
    }
    if (number(r, "gpu_count") != 1 || !flag(r, "full_offload", false)) {
      ++skipped["not wholly on one GPU"];
      continue;
    }
    if (flag(r, "fork", false)) {
      ++skipped["a fork of llama.cpp"];
      continue;
    }
    const auto* gpu_entry = table->find_id(text(r, "gpu_id"));
    const auto* model = catalogue->find(text(r, "model_id"));
    if (!gpu_entry || !model) {
      ++skipped["unknown GPU or model"];
      continue;
    }
    if (unplannable(model->spec)) {
      ++skipped["no tensor plan"];
      unplanned.insert(model->spec.arch);
      continue;
    }
    auto type = model->spec.native_type ? model->spec.native_type : type_of(text(r, "quant"));
    if (!type) {
      ++skipped["unknown quantisation"];
      continue;
    }
    const auto gpu = to_gpu(*gpu_entry, {std::uint64_t{1} << 34});
    Sample s;
    s.backend = backend_of(r, gpu);
    const auto rates = gpu_rates(gpu, s.backend);
    if (!rates) {
      ++skipped["unknown bandwidth"];
      continue;
    }
    s.rates = *rates;
    s.gpu = gpu_entry->id;
    s.model = model->spec.id;
    s.quant = text(r, "quant");
    s.moe = model->spec.moe && model->spec.moe->n_expert > 0;
    s.core = flag(r, "core", false);
    s.flash_attn = flag(r, "flash_attn", true);
    s.depth = number(r, "mean_depth");
    s.tg = number(r, "tg_tps");
    s.pp = number(r, "pp_tps");
    if (number(r, "n_prompt") > 0) s.n_prompt = number(r, "n_prompt");

    const auto plan = tensor_plan(model->spec, *type);
    Workload workload;
    workload.n_ctx = static_cast<std::uint32_t>(pad_to(static_cast<std::uint64_t>(s.depth) + 512, 256));
    if (const auto t = parse_tensor_type(text(r, "type_k"))) workload.cache_type_k = *t;
    if (const auto t = parse_tensor_type(text(r, "type_v"))) workload.cache_type_v = *t;
    Placement all;
    all.gpus = {0};
    all.split = {1.0};
    all.n_layers = model->spec.n_layer + model->spec.n_layer_nextn;
    all.n_gpu_layers = all.n_layers + 1;
    s.work = token_work(model->spec, plan, workload, all, static_cast<std::uint32_t>(s.depth)).front();
    // A file that is heavier or lighter than llama-quantize's mix (UD types): its weights scale with it.
    const auto file = number(r, "model_bytes"), planned = static_cast<double>(plan.total_bytes().count);
    if (file > 0.5 * planned && file < 2 * planned) {
      for (auto& b : s.work.bytes) b *= file / planned;
    }
    samples.push_back(std::move(s));
  }
  log << "runs used: " << samples.size() << '\n';
  for (const auto& [why, n] : skipped) log << "  left out: " << n << ' ' << why << '\n';
  for (const auto& arch : unplanned) log << "  no plan: " << arch << '\n';
  return samples;
}

std::vector<Sample> medians(std::vector<Sample> samples)
{
  std::map<std::tuple<std::string, Backend, std::string, std::string>, std::vector<Sample>> groups;
  for (auto& s : samples) groups[{s.gpu, s.backend, s.model, s.quant}].push_back(std::move(s));
  std::vector<Sample> result;
  for (auto& [key, group] : groups) {
    std::ranges::sort(group, {}, &Sample::tg);
    result.push_back(group[group.size() / 2]);
  }
  return result;
}

}  // namespace canirun
