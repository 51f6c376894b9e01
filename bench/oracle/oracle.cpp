// Compares canirun's estimates with llama.cpp itself, without allocating anything: for each model a shape-true file with holes for
// weights is written, `oracle_ask` asks the real library about it, and both answers are printed side by side.
//
//   oracle ASK BACKEND... -- MODEL... [--quant Q4_K_M] [--device none|CUDA0|CUDA0,CUDA1] [--ngl N] [--ctx N] [--ubatch N]
//          [--type-k q8_0] [--type-v q8_0] [--fa on|off|auto] [--outputs N] [--parallel N] [--keep]
//
// ASK is the oracle_ask program, BACKEND the shared objects of llama.cpp's backends. MODEL is a catalogue id, an architecture
// ("arch:qwen3", all its models) or "all".

#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
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
  FileType quant = FileType::Q4_K_M;
  std::string device = "CUDA0";
  int ngl = -1;
  Workload workload;
  std::string fa = "auto";
  bool keep = false;
};

Options parse(int argc, char** argv)
{
  Options o;
  o.workload.n_ctx = 4096;
  std::vector<std::string> words(argv + 1, argv + argc);
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
    else if (word == "--fa") o.fa = value();
    else if (word == "--keep") o.keep = true;
    else o.models.push_back(word);
  }
  o.workload.flash_attn = o.fa == "on" ? FlashAttention::on : o.fa == "off" ? FlashAttention::off : FlashAttention::automatic;
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

Placement placement_of(const Options& o, const ModelSpec& m)
{
  Placement p;
  const auto n = gpu_count(o.device);
  p.n_layers = m.n_layer;
  const auto all = m.n_layer + m.n_layer_nextn + 1;
  p.n_gpu_layers = n == 0 ? 0 : o.ngl < 0 ? all : std::min<std::uint32_t>(static_cast<std::uint32_t>(o.ngl), all);
  p.backend = n == 0 ? Backend::cpu : o.device.starts_with("Vulkan") ? Backend::vulkan : Backend::cuda;
  for (std::size_t i = 0; i < n; ++i) {
    p.gpus.push_back(i);
    p.split.push_back(1.0 / static_cast<double>(n));
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
  const auto catalogue = Catalogue::builtin();
  if (!catalogue || o.ask.empty() || o.models.empty()) {
    std::cerr << "usage: oracle ASK BACKEND... -- MODEL... [options]; see the head of oracle.cpp\n";
    return 2;
  }
  std::string folder = (std::filesystem::temp_directory_path() / "canirun-oracle-XXXXXX").string();
  if (!mkdtemp(folder.data())) return 3;
  const std::filesystem::path dir = folder;
  const auto entries = chosen(*catalogue, o.models);
  std::vector<TensorPlan> plans;
  std::ofstream questions(dir / "questions");
  for (const auto* entry : entries) {
    plans.push_back(tensor_plan(entry->spec, o.quant));
    const auto file = dir / (entry->spec.id + ".gguf");
    write_model(entry->spec, plans.back(), file);
    questions << json{{"gguf", file.string()},
                      {"devs", o.device},
                      {"ngl", gpu_count(o.device) == 0 ? 0 : o.ngl},
                      {"n_ctx", o.workload.n_ctx},
                      {"n_ubatch", o.workload.n_ubatch},
                      {"n_outputs_max", o.workload.n_outputs_max},
                      {"n_seq_max", o.workload.n_seq_max},
                      {"type_k", traits(o.workload.cache_type_k).name},
                      {"type_v", traits(o.workload.cache_type_v).name},
                      {"fa", o.fa}}
                     .dump()
              << '\n';
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
  for (std::size_t i = 0; i < entries.size() && std::getline(answers, line); ++i) {
    const auto answer = json::parse(line);
    const auto& spec = entries[i]->spec;
    if (answer.contains("error")) {
      fmt::print("  {:32} {} ({})\n", spec.id, answer["error"].get<std::string>(), spec.arch);
      ++refused;
      continue;
    }
    const auto placement = placement_of(o, spec);
    const auto mine = estimate_memory(spec, plans[i], o.workload, placement);
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
    std::istringstream names(o.device);
    std::string device;
    for (std::size_t g = 0; g < mine.gpus.size() && std::getline(names, device, ','); ++g) compare(device, mine.gpus[g]);
    compare("host", mine.host);
    if (same) ++exact;
  }
  fmt::print("{} models, {} exact to the byte, {} refused by llama.cpp\n", entries.size(), exact, refused);
  if (o.keep) fmt::print("files kept in {}\n", dir.string());
  else std::filesystem::remove_all(dir);
  return status == 0 ? 0 : 3;
}
