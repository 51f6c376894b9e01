#include "samples.hpp"

#include <algorithm>
#include <cmath>
#include <istream>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <tuple>

#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/gpu_table.hpp"
#include "plan_sums.hpp"

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

/// A processor that runs are known of: threads that compute and its widest instruction set (vendors' specifications).
struct KnownCpu {
  std::string_view name;
  std::uint32_t cores;
  std::string_view isa;
};
// clang-format off
constexpr KnownCpu k_cpus[] = {
    {"Ryzen 7 7840HS", 8, "avx512"}, {"Ryzen 7 5800H", 8, "avx2"},   {"Ryzen AI 5 340", 6, "avx512"}, {"N150", 4, "avx2"},
    {"A192-32X", 192, "asimddp"},    {"MS-R1", 12, "i8mm"},          {"Orion O6", 12, "i8mm"},        {"Pi 400", 4, "neon"},
    {"Snapdragon 888", 8, "asimddp"},
};
// clang-format on

/// The machine of a run on a CPU: from the record's own fields, else of a known name.
std::optional<HardwareProfile> cpu_machine(const json& record)
{
  HardwareProfile machine;
  const auto name = text(record, "cpu");
  if (const auto cores = number(record, "cpu_cores"); cores > 0) {
    machine.cpu.physical_cores = static_cast<std::uint32_t>(cores);
    machine.cpu.isa = {text(record, "cpu_isa")};
  } else {
    const auto* known = std::ranges::find_if(k_cpus, [&](const KnownCpu& c) { return name.find(c.name) != std::string::npos; });
    if (known == std::end(k_cpus)) return std::nullopt;
    machine.cpu.physical_cores = known->cores;
    machine.cpu.isa = {std::string(known->isa)};
  }
  if (const auto gbs = number(record, "ram_gbs"); gbs > 0) {
    machine.memory.bandwidth.emplace();
    machine.memory.bandwidth->value = gbs * 1e9;
    machine.memory.bandwidth->confidence = FigureConfidence::measured;
  }
  return machine;
}

/// A prompt needs n_prompt to be stated. llama-bench's `-d` is what was in the cache before; sweeps that state a depth equal to the
/// prompt mean generation after it.
Prompt prompt_of(const json& record, double depth)
{
  Prompt p;
  p.n = number(record, "n_prompt");
  p.before = depth > p.n ? depth : 0;
  p.n_ubatch = std::min(512.0, std::max(1.0, p.n));
  return p;
}

/// More arithmetic a second than the device has: the prompt was in the cache already.
bool impossible(const Sample& s)
{
  return s.n_gpus == 1 && s.gpu.matrix > 0 && 2 * s.work.active_weights() * s.pp > s.gpu.matrix;
}

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
    const bool on_cpu = number(r, "gpu_count") == 0;
    const auto machine = on_cpu ? cpu_machine(r) : std::nullopt;
    if (on_cpu ? !machine : !flag(r, "full_offload", false)) {
      ++skipped[on_cpu ? "unknown CPU" : "not wholly on GPUs"];
      continue;
    }
    if (flag(r, "fork", false)) {
      ++skipped["a fork of llama.cpp"];
      continue;
    }
    const auto* gpu_entry = table->find_id(text(r, "gpu_id"));
    const auto* model = catalogue->find(text(r, "model_id"));
    if ((!on_cpu && !gpu_entry) || !model) {
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
    Sample s;
    s.on_cpu = on_cpu;
    s.n_gpus = on_cpu ? 0 : static_cast<std::size_t>(number(r, "gpu_count"));
    if (on_cpu) {
      s.cpu = cpu_rates(*machine);
      s.device = text(r, "cpu");
    } else {
      const auto gpu = to_gpu(*gpu_entry, {std::uint64_t{1} << 34});
      s.backend = backend_of(r, gpu);
      s.device = gpu_entry->id;
      const auto rates = gpu_rates(gpu, s.backend);
      if (!rates) {
        ++skipped["unknown bandwidth"];
        continue;
      }
      s.gpu = *rates;
    }
    s.model = model->spec.id;
    s.family = model->facts.family.empty() ? model->spec.arch : model->facts.family;
    s.quant = text(r, "quant");
    s.moe = model->spec.moe && model->spec.moe->n_expert > 0;
    s.core = flag(r, "core", false);
    s.flash_attn = flag(r, "flash_attn", true);
    if (const auto k = text(r, "type_k"), v = text(r, "type_v"); !k.empty() && (k != "f16" || v != "f16")) s.cache = k + "/" + v;
    s.depth = number(r, "mean_depth");
    s.tg = number(r, "tg_tps");
    s.pp = number(r, "pp_tps");
    s.prompt = prompt_of(r, number(r, "depth"));

    const auto plan = tensor_plan(model->spec, *type);
    Workload workload;
    workload.n_ctx = static_cast<std::uint32_t>(pad_to(static_cast<std::uint64_t>(s.depth) + 512, 256));
    if (const auto t = parse_tensor_type(text(r, "type_k"))) workload.cache_type_k = *t;
    if (const auto t = parse_tensor_type(text(r, "type_v"))) workload.cache_type_v = *t;
    Placement all;
    all.n_layers = model->spec.n_layer + model->spec.n_layer_nextn;
    if (!on_cpu) {
      for (std::size_t i = 0; i < s.n_gpus; ++i) {
        all.gpus.push_back(i);
        all.split.push_back(1.0 / static_cast<double>(s.n_gpus));
      }
      all.n_gpu_layers = all.n_layers + 1;
    }
    auto works = token_work(
        model->spec, plan_work(plan, PlanLayers(model->spec, plan, sites_by_type(plan)), on_cpu ? Backend::cpu : s.backend),
        cache_layers(model->spec, workload, resolve(workload, model->spec)), workload, all, static_cast<std::uint32_t>(s.depth));
    if (!on_cpu) works.pop_back();  // the host
    // A file that is heavier or lighter than llama-quantize's mix (UD types): its weights scale with it.
    const auto file = number(r, "model_bytes"), planned = static_cast<double>(plan.total_bytes().count);
    if (file > 0.5 * planned && file < 2 * planned) {
      for (auto& work : works) {
        for (auto& b : work.bytes) b *= file / planned;
      }
    }
    s.work = works.front();
    s.others.assign(works.begin() + 1, works.end());
    if (s.pp > 0 && impossible(s)) {
      ++skipped["(prompt only) faster than the GPU can compute"];
      s.pp = 0;
    }
    samples.push_back(std::move(s));
  }
  log << "runs used: " << samples.size() << '\n';
  for (const auto& [why, n] : skipped) log << "  left out: " << n << ' ' << why << '\n';
  for (const auto& arch : unplanned) log << "  no plan: " << arch << '\n';
  return samples;
}

std::vector<Sample> medians(std::vector<Sample> samples, double Sample::*rate)
{
  using Key = std::tuple<std::string, std::size_t, Backend, std::string, std::string, bool, std::string, int, int>;
  const auto octave = [](double tokens) { return static_cast<int>(std::log2(std::max(tokens, 1024.0))); };
  std::map<Key, std::vector<Sample>> groups;
  for (auto& s : samples) {
    // Without flash attention a filled cache costs several times as much; an empty one, and a prompt, about the same.
    const bool slow_cache = !s.flash_attn && s.depth > k_deep;
    const Key key{s.device, s.n_gpus,        s.backend,
                  s.model,  s.quant,         slow_cache,
                  s.cache,  octave(s.depth), octave(s.prompt.n + s.prompt.before)};
    groups[key].push_back(std::move(s));
  }
  std::vector<Sample> result;
  for (auto& [key, group] : groups) {
    std::ranges::sort(group, {}, rate);
    result.push_back(group[group.size() / 2]);
  }
  return result;
}

double token_seconds(const Sample& s, const SpeedConstants& c)
{
  if (s.on_cpu) return token_time(s.work, s.cpu, c).total();
  auto seconds = token_time(s.work, s.gpu, c, s.flash_attn).total() + static_cast<double>(s.others.size()) * c.transfer;
  for (const auto& work : s.others) seconds += token_time(work, s.gpu, c, s.flash_attn).total();
  return seconds;
}

double prompt_seconds(const Sample& s, const SpeedConstants& c)
{
  if (s.on_cpu) return prompt_time(s.work, s.cpu, c, s.prompt);
  auto seconds = prompt_time(s.work, s.gpu, c, s.prompt);
  for (const auto& work : s.others) seconds += prompt_time(work, s.gpu, c, s.prompt);
  return seconds * pipelined_share(s.n_gpus, c, s.prompt);
}

}  // namespace canirun
