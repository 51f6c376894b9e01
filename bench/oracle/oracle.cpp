// Compares canirun's estimates with llama.cpp itself, without allocating anything: for each model a shape-true file with holes for
// weights is written, `oracle_ask` asks the real library about it, and what differs is printed side by side.
//
//   oracle ASK BACKEND... -- MODEL... [--quant Q4_K_M] [--device none|CUDA0|CUDA0,CUDA1] [--ngl N] [--split 3,1] [--n-cpu-moe N]
//          [--ctx N] [--batch N] [--ubatch N] [--type-k q8_0] [--type-v q8_0] [--fa on|off|auto] [--outputs N] [--parallel N]
//          [--kv-unified] [--swa-full] [--no-kv-offload] [--embeddings] [--random N] [--seed N] [--models FILE] [--keep]
//
// ASK is the oracle_ask program, BACKEND the shared objects of llama.cpp's backends. MODEL is a catalogue id, an architecture
// ("arch:qwen3", all its models) or "all"; --models adds the entries of a file, such as tests/data/other-models.json. --random N asks N random
// questions about each model instead: file type, devices, placement and every option above.

#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "canirun/core/memory.hpp"
#include "canirun/formats/catalogue.hpp"
#include "write_model.hpp"

using namespace canirun;
using json = nlohmann::ordered_json;

namespace {

struct Options {
  std::string ask;
  std::vector<std::string> backends;
  std::vector<std::string> models;
  std::filesystem::path more;
  FileType quant = FileType::Q4_K_M;
  std::string device = "CUDA0";
  int ngl = -1;
  std::uint32_t n_cpu_moe = 0;
  std::vector<double> split;
  Workload workload;
  std::size_t random = 0;
  std::uint32_t seed = 1;
  bool keep = false;
};

/// One question about one model.
struct Case {
  std::size_t entry = 0;
  FileType quant = FileType::Q4_K_M;
  std::string device;
  int ngl = -1;
  std::uint32_t n_cpu_moe = 0;
  std::vector<double> split;  ///< Shares of the devices; empty = equal.
  Workload workload;
};

Options parse(int argc, char** argv)
{
  Options o;
  o.workload.n_ctx = 4096;
  std::vector<std::string> words(argv + 1, argv + argc);
  std::string fa = "auto";
  std::size_t i = 0;
  if (i < words.size()) o.ask = words[i++];
  for (; i < words.size() && words[i] != "--"; ++i) o.backends.push_back(words[i]);
  for (++i; i < words.size(); ++i) {
    const auto& word = words[i];
    const auto value = [&] { return ++i < words.size() ? words[i] : std::string(); };
    const auto number = [&] { return static_cast<std::uint32_t>(std::stoul(value())); };
    if (word == "--quant") o.quant = parse_file_type(value()).value_or(o.quant);
    else if (word == "--device") o.device = value();
    else if (word == "--ngl") o.ngl = std::stoi(value());
    else if (word == "--ctx") o.workload.n_ctx = number();
    else if (word == "--ubatch") o.workload.n_ubatch = number();
    else if (word == "--outputs") o.workload.n_outputs_max = number();
    else if (word == "--parallel") o.workload.n_seq_max = number();
    else if (word == "--type-k") o.workload.cache_type_k = parse_tensor_type(value()).value_or(TensorType::f16);
    else if (word == "--type-v") o.workload.cache_type_v = parse_tensor_type(value()).value_or(TensorType::f16);
    else if (word == "--fa") fa = value();
    else if (word == "--batch") o.workload.n_batch = number();
    else if (word == "--kv-unified") o.workload.kv_unified = true;
    else if (word == "--swa-full") o.workload.swa_full = true;
    else if (word == "--no-kv-offload") o.workload.offload_kqv = false;
    else if (word == "--embeddings") o.workload.embeddings = true;
    else if (word == "--n-cpu-moe") o.n_cpu_moe = number();
    else if (word == "--split") {
      std::istringstream shares(value());
      for (std::string share; std::getline(shares, share, ',');) o.split.push_back(std::stod(share));
    } else if (word == "--random") o.random = number();
    else if (word == "--seed") o.seed = number();
    else if (word == "--models") o.more = value();
    else if (word == "--keep") o.keep = true;
    else o.models.push_back(word);
  }
  o.workload.flash_attn = parse_flash_attention(fa).value_or(FlashAttention::automatic);
  return o;
}

std::vector<const CatalogueEntry*> chosen(const Catalogue& catalogue, const std::vector<std::string>& names)
{
  std::vector<const CatalogueEntry*> found;
  for (const auto& entry : catalogue.entries()) {
    if (entry.spec.arch.empty() || unplannable(entry.spec)) continue;
    for (const auto& name : names) {
      if (name == "all" || name == "arch:" + entry.spec.arch || fold(name) == fold(entry.spec.id)) {
        found.push_back(&entry);
        break;
      }
    }
  }
  return found;
}

std::size_t gpu_count(const std::string& device)
{
  if (device == "none") return 0;
  return 1 + static_cast<std::size_t>(std::count(device.begin(), device.end(), ','));
}

/// A question that somebody could ask: odd values on purpose, such as llama.cpp takes.
Case random_case(std::size_t entry, const ModelSpec& m, std::mt19937& engine)
{
  const auto one_of = [&](auto... values) {
    const std::array all{values...};
    return all[engine() % all.size()];
  };
  const auto rarely = [&](unsigned n) { return engine() % n == 0; };
  Case c;
  c.entry = entry;
  c.quant = one_of(FileType::Q4_K_M, FileType::Q4_K_M, FileType::Q2_K, FileType::Q3_K_M, FileType::Q5_K_S, FileType::Q6_K,
                   FileType::Q8_0, FileType::Q4_0, FileType::IQ4_XS, FileType::F16, FileType::BF16, FileType::MXFP4_MOE);
  c.device = one_of("none", "CUDA0", "CUDA0", "CUDA0", "CUDA0,CUDA1", "CUDA0,CUDA1,CUDA2", "CUDA0,CUDA1,CUDA2,CUDA3");
  const auto n_layer = m.n_layer + m.n_layer_nextn;
  if (rarely(2)) c.ngl = static_cast<int>(engine() % (n_layer + 2));
  if (m.moe && rarely(3)) c.n_cpu_moe = rarely(2) ? n_layer : 1 + static_cast<std::uint32_t>(engine()) % n_layer;
  if (gpu_count(c.device) > 1 && rarely(2))
    for (std::size_t g = 0; g < gpu_count(c.device); ++g) c.split.push_back(one_of(1.0, 2.0, 3.0, 5.0));
  auto& w = c.workload;
  w.n_ctx = one_of(512u, 1000u, 2048u, 4096u, 6000u, 8192u, 12288u, 20000u, 32768u, 40000u, 131072u);
  w.n_batch = one_of(2048u, 2048u, 512u, 4096u);
  w.n_ubatch = one_of(512u, 512u, 64u, 16u, 128u, 1024u, 2048u);
  w.n_seq_max = one_of(1u, 1u, 2u, 3u, 4u, 8u);
  w.kv_unified = rarely(3);
  w.n_outputs_max = one_of(0u, 0u, w.n_seq_max, 100u);  // llama.cpp wants a row for each sequence
  w.flash_attn = one_of(FlashAttention::automatic, FlashAttention::automatic, FlashAttention::on, FlashAttention::off);
  const auto cache_type = [&] {
    return one_of(TensorType::f16, TensorType::f16, TensorType::f16, TensorType::q8_0, TensorType::q4_0, TensorType::q4_1,
                  TensorType::q5_0, TensorType::q5_1, TensorType::iq4_nl, TensorType::bf16, TensorType::f32);
  };
  w.cache_type_k = cache_type();
  w.cache_type_v = rarely(2) || m.is_mla() || m.dsv4 ? w.cache_type_k : cache_type();
  if (w.flash_attn == FlashAttention::off && traits(w.cache_type_v).quantized) w.cache_type_v = TensorType::f16;
  w.offload_kqv = !rarely(6);
  w.swa_full = rarely(6);
  if (m.kind == ModelKind::embedding) {
    w.embeddings = true;
    w.n_outputs_max = 0;
  }
  return c;
}

std::string describe(const Case& c)
{
  const auto& w = c.workload;
  auto text = fmt::format(
      "--quant {} --device {} --ngl {} --ctx {} --batch {} --ubatch {} --parallel {} --outputs {} --fa {} --type-k {} "
      "--type-v {}",
      name(c.quant), c.device, c.ngl, w.n_ctx, w.n_batch, w.n_ubatch, w.n_seq_max, w.n_outputs_max, name(w.flash_attn),
      traits(w.cache_type_k).name, traits(w.cache_type_v).name);
  if (c.n_cpu_moe > 0) text += fmt::format(" --n-cpu-moe {}", c.n_cpu_moe);
  if (!c.split.empty()) text += fmt::format(" --split {}", fmt::join(c.split, ","));
  if (w.kv_unified) text += " --kv-unified";
  if (w.swa_full) text += " --swa-full";
  if (!w.offload_kqv) text += " --no-kv-offload";
  if (w.embeddings) text += " --embeddings";
  return text;
}

json question(const Case& c, const ModelSpec& m, const std::filesystem::path& file)
{
  const auto& w = c.workload;
  json q{{"gguf", file.string()},
         {"devs", c.device},
         {"ngl", gpu_count(c.device) == 0 ? 0 : c.ngl},
         {"n_ctx", w.n_ctx},
         {"n_batch", w.n_batch},
         {"n_ubatch", w.n_ubatch},
         {"n_outputs_max", w.n_outputs_max},
         {"n_seq_max", w.n_seq_max},
         {"kv_unified", w.kv_unified},
         {"type_k", traits(w.cache_type_k).name},
         {"type_v", traits(w.cache_type_v).name},
         {"fa", name(w.flash_attn)},
         {"offload_kqv", w.offload_kqv},
         {"swa_full", w.swa_full},
         {"embeddings", w.embeddings}};
  if (!c.split.empty()) q["split"] = c.split;
  if (c.n_cpu_moe > 0) {
    // common.h: llm_ffn_exps_block_regex; all layers at once, as --cpu-moe has it.
    std::string layers = "[0-9]+";
    if (c.n_cpu_moe < m.n_layer + m.n_layer_nextn) {
      layers = "(";
      for (std::uint32_t il = 0; il < c.n_cpu_moe; ++il) layers += (il ? "|" : "") + std::to_string(il);
      layers += ")";
    }
    q["ot"] = "blk\\." + layers + "\\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU";
  }
  return q;
}

Placement placement_of(const Case& c, const ModelSpec& m)
{
  Placement p;
  const auto n = gpu_count(c.device);
  p.n_layers = m.n_layer;
  const auto all = m.n_layer + m.n_layer_nextn + 1;
  p.n_gpu_layers = n == 0 ? 0 : c.ngl < 0 ? all : std::min<std::uint32_t>(static_cast<std::uint32_t>(c.ngl), all);
  p.n_cpu_moe = n == 0 ? 0 : c.n_cpu_moe >= m.n_layer + m.n_layer_nextn && c.n_cpu_moe > 0 ? UINT32_MAX : c.n_cpu_moe;
  p.backend = n == 0 ? Backend::cpu : c.device.starts_with("Vulkan") ? Backend::vulkan : Backend::cuda;
  const auto sum = std::accumulate(c.split.begin(), c.split.end(), 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    p.gpus.push_back(i);
    p.split.push_back(i < c.split.size() ? c.split[i] / sum : c.split.empty() ? 1.0 / static_cast<double>(n) : 0.0);
  }
  p.mode = n == 0 ? Placement::Mode::cpu : p.n_gpu_layers < all ? Placement::Mode::split : Placement::Mode::gpu;
  return p;
}

/// Bytes of one part on a device of llama.cpp's answer; device "host" adds up everything that is not a GPU.
std::uint64_t theirs(const json& answer, const char* part, const std::string& device)
{
  std::uint64_t sum = 0;
  if (!answer.contains(part)) return 0;
  for (const auto& [type, bytes] : answer[part].items()) {
    const bool gpu = type != "CPU" && type.find("Host") == std::string::npos && !type.starts_with("CPU_");
    if (device == "host" ? !gpu : type == device) sum += bytes.get<std::uint64_t>();
  }
  return sum;
}

void print(const std::string& id, const std::string& device, const char* part, std::uint64_t ours, std::uint64_t real)
{
  const auto difference = static_cast<double>(ours) - static_cast<double>(real);
  if (difference == 0) return;
  fmt::print("  {:32} {:8} {:8} ours {:>15} llama.cpp {:>15} {:+10.2f} MiB {:+7.2f} %\n", id, device, part, ours, real,
             difference / 1048576.0, real ? 100.0 * difference / static_cast<double>(real) : 100.0);
}

}  // namespace

int main(int argc, char** argv)
{
  const auto o = parse(argc, argv);
  std::vector<std::filesystem::path> more;
  if (!o.more.empty()) more.push_back(o.more);
  const auto catalogue = load_catalogue({}, more);
  if (!catalogue) std::cerr << catalogue.error().message << '\n';
  if (!catalogue || o.ask.empty() || o.models.empty()) {
    std::cerr << "usage: oracle ASK BACKEND... -- MODEL... [options]; see the head of oracle.cpp\n";
    return 2;
  }
  std::string folder = (std::filesystem::temp_directory_path() / "canirun-oracle-XXXXXX").string();
  if (!mkdtemp(folder.data())) return 3;
  const std::filesystem::path dir = folder;
  const auto entries = chosen(*catalogue, o.models);
  std::mt19937 engine(o.seed);
  std::vector<Case> cases;
  std::map<std::pair<std::size_t, FileType>, TensorPlan> plans;
  std::ofstream questions(dir / "questions");
  for (std::size_t e = 0; e < entries.size(); ++e) {
    const auto& spec = entries[e]->spec;
    for (std::size_t n = 0; n < std::max<std::size_t>(o.random, 1); ++n) {
      const auto c =
          o.random > 0 ? random_case(e, spec, engine) : Case{e, o.quant, o.device, o.ngl, o.n_cpu_moe, o.split, o.workload};
      const auto file = dir / fmt::format("{}-{}.gguf", spec.id, name(c.quant));
      auto& plan = plans[{e, c.quant}];
      if (plan.tensors.empty()) {
        plan = tensor_plan(spec, c.quant);
        write_model(spec, plan, file);
      }
      cases.push_back(c);
      questions << question(c, spec, file).dump() << '\n';
    }
  }
  questions.close();
  std::string command = o.ask;
  for (const auto& backend : o.backends) command += " " + backend;
  command += " <" + (dir / "questions").string() + " >" + (dir / "answers").string();
  const int status = std::system(command.c_str());  // NOLINT: a program of this folder with file names of our own
  std::ifstream answers(dir / "answers");
  std::string line;
  std::size_t exact = 0;
  std::size_t refused = 0;
  for (std::size_t i = 0; i < cases.size() && std::getline(answers, line); ++i) {
    const auto answer = json::parse(line);
    const auto& c = cases[i];
    const auto& spec = entries[c.entry]->spec;
    if (answer.contains("error")) {
      fmt::print("  {:32} {} ({}) {}\n", spec.id, answer["error"].get<std::string>(), spec.arch, o.random ? describe(c) : "");
      ++refused;
      continue;
    }
    const auto mine = estimate_memory(spec, plans[{c.entry, c.quant}], c.workload, placement_of(c, spec));
    bool same = true;
    const auto compare = [&](const std::string& device, const MemoryParts& parts) {
      const auto cache = parts.kv_cache.count + parts.recurrent_state.count;
      const std::array<std::tuple<const char*, std::uint64_t, std::uint64_t>, 3> rows = {{
          {"weights", parts.weights.count, theirs(answer, "model_bytes", device)},
          {"cache", cache, theirs(answer, "context_bytes", device)},
          {"compute", parts.compute.count, theirs(answer, "compute_bytes", device)},
      }};
      for (const auto& [part, ours, real] : rows) {
        print(spec.id, device, part, ours, real);
        same = same && ours == real;
      }
    };
    std::istringstream names(c.device);
    std::string device;
    for (std::size_t g = 0; g < mine.gpus.size() && std::getline(names, device, ','); ++g) compare(device, mine.gpus[g]);
    compare("host", mine.host);
    if (same) ++exact;
    else if (o.random > 0) fmt::print("    {} {}\n", spec.id, describe(c));
  }
  fmt::print("{} questions about {} models, {} exact to the byte, {} refused by llama.cpp\n", cases.size(), entries.size(), exact,
             refused);
  if (o.keep) fmt::print("files kept in {}\n", dir.string());
  else std::filesystem::remove_all(dir);
  return status == 0 ? 0 : 3;
}
