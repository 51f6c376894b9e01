// Compares canirun's graph of a model with llama.cpp's own, node by node: operation, size, number of uses and sizes of the sources.
//
//   graph_diff ASK BACKEND... -- MODEL... [--ctx N] [--ubatch N] [--outputs N] [--parallel N] [--type q8_0] [--fa on|off]
//              [--quant Q8_0] [--device CUDA0,CUDA1] [--ngl N] [--kv-unified] [--no-kv-offload] [--lines N] [--dump]
//
// Views are left out, as llama.cpp's debug output leaves them out. --dump prints our graph and asks nobody. Everything runs on the
// CPU backend unless --device names others: then the device of each node is compared too, with flash attention as stated. An
// architecture is "arch:NAME": its first model.

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "arch/arch.hpp"
#include "canirun/formats/catalogue.hpp"
#include "graph/schedule.hpp"
#include "memory_model.hpp"
#include "write_model.hpp"

using namespace canirun;
using json = nlohmann::ordered_json;

namespace {

// In the order of enum Op; the last two stand for all of their kind.
constexpr const char* k_op_names[] = {"NONE",
                                      "DUP",
                                      "ADD",
                                      "ADD_ID",
                                      "ADD1",
                                      "ACC",
                                      "SUB",
                                      "MUL",
                                      "DIV",
                                      "SQR",
                                      "SQRT",
                                      "LOG",
                                      "SIN",
                                      "COS",
                                      "SUM",
                                      "SUM_ROWS",
                                      "CUMSUM",
                                      "MEAN",
                                      "ARGMAX",
                                      "REPEAT",
                                      "CONCAT",
                                      "NORM",
                                      "RMS_NORM",
                                      "GROUP_NORM",
                                      "L2_NORM",
                                      "MUL_MAT",
                                      "MUL_MAT_ID",
                                      "OUT_PROD",
                                      "SCALE",
                                      "SET",
                                      "CPY",
                                      "CONT",
                                      "RESHAPE",
                                      "VIEW",
                                      "PERMUTE",
                                      "TRANSPOSE",
                                      "GET_ROWS",
                                      "SET_ROWS",
                                      "DIAG",
                                      "DIAG_MASK_INF",
                                      "SOFT_MAX",
                                      "ROPE",
                                      "CLAMP",
                                      "IM2COL",
                                      "CONV_2D",
                                      "POOL_1D",
                                      "POOL_2D",
                                      "PAD",
                                      "ROLL",
                                      "ARANGE",
                                      "ARGSORT",
                                      "TOP_K",
                                      "LEAKY_RELU",
                                      "TRI",
                                      "FILL",
                                      "FLASH_ATTN_EXT",
                                      "SSM_CONV",
                                      "SSM_SCAN",
                                      "RWKV_WKV6",
                                      "RWKV_WKV7",
                                      "GATED_LINEAR_ATTN",
                                      "SOLVE_TRI",
                                      "GATED_DELTA_NET",
                                      "LIGHTNING_INDEXER",
                                      "DSV4_HC_COMB",
                                      "DSV4_HC_PRE",
                                      "DSV4_HC_POST",
                                      "unary",
                                      "glu"};

/// One node as llama.cpp prints it (ggml-backend.cpp: ggml_backend_sched_print_assignments).
struct Line {
  std::string op;
  std::string size;
  std::string uses;
  std::string sources;
  std::string name;
  std::string device;
  friend bool operator==(const Line& a, const Line& b)
  {
    return a.op == b.op && a.size == b.size && a.uses == b.uses && a.sources == b.sources && a.device == b.device;
  }
};

std::string size_text(std::uint64_t bytes)
{
  return bytes >= 1 << 20 ? fmt::format("{}M", bytes >> 20) : fmt::format("{}K", bytes >> 10);
}

/// `schedule` tells devices, by the names in `devices`; nothing: everything is on the CPU.
std::vector<Line> our_lines(const TensorPlan& plan, const Schedule& schedule, const std::vector<std::string>& devices)
{
  std::vector<std::size_t> uses(schedule.tensors.size());
  const auto tensor = [&](std::int32_t id) -> const GraphTensor& { return schedule.tensors[static_cast<std::size_t>(id)]; };
  for (const auto id : schedule.nodes) {
    for (const auto s : tensor(id).sources()) {
      if (s >= 0) ++uses[static_cast<std::size_t>(s)];
    }
  }
  std::vector<Line> lines;
  for (const auto id : schedule.nodes) {
    const auto& t = tensor(id);
    if (t.op == Op::view || t.op == Op::reshape || t.op == Op::permute || t.op == Op::transpose) continue;
    Line line{std::string(k_op_names[static_cast<std::size_t>(t.op)]).substr(0, 10),
              size_text(n_bytes(t)),
              std::to_string(uses[static_cast<std::size_t>(id)]),
              "",
              "",
              devices[static_cast<std::size_t>(schedule.device[static_cast<std::size_t>(id)])]};
    for (const auto s : t.sources()) {
      if (s < 0) continue;
      line.sources += size_text(n_bytes(tensor(s))) + " ";
      if (const auto w = tensor(s).weight; w >= 0 && line.name.empty())
        line.name = plan.name(plan.tensors[static_cast<std::size_t>(w)]);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

/// "MUL_MAT" of "node #  6 (   MUL_MAT):  Qcur-0 (   8M) [  CPU …] use=1,c=1:  src (9M) [ CPU …] …"
Line parse_line(const std::string& text)
{
  Line line;
  const auto trimmed = [](std::string s) {
    const auto from = s.find_first_not_of(' ');
    return from == std::string::npos ? std::string() : s.substr(from);
  };
  const auto open = text.find('('), close = text.find("):", open);
  line.op = trimmed(text.substr(open + 1, close - open - 1));
  constexpr std::string_view unary[] = {"ABS",      "SGN",        "NEG",   "STEP",      "TANH",       "ELU",  "RELU",  "SIGMOID",
                                        "GELU",     "GELU_QUICK", "SILU",  "HARDSWISH", "HARDSIGMOI", "EXP",  "EXPM1", "SOFTPLUS",
                                        "GELU_ERF", "XIELU",      "FLOOR", "CEIL",      "ROUND",      "TRUNC"};
  constexpr std::string_view glu[] = {"REGLU", "GEGLU", "SWIGLU", "SWIGLU_OAI", "GEGLU_ERF", "GEGLU_QUIC", "SWIGLU_CLA"};
  if (std::ranges::find(unary, line.op) != std::end(unary)) line.op = "unary";
  if (std::ranges::find(glu, line.op) != std::end(glu)) line.op = "glu";
  if (line.op == "ROPE_BACK") line.op = "ROPE";
  const auto use = text.find("use=");
  line.uses = text.substr(use + 4, text.find(',', use) - use - 4);
  if (const auto bracket = text.find(") [", close); bracket != std::string::npos)
    line.device = trimmed(text.substr(bracket + 3, 5));
  // Names may have parentheses of their own: a size is "( 8M) [".
  static const std::regex size(R"(\( *([0-9]+[KM])\) \[)");
  for (std::sregex_iterator m(text.begin(), text.end(), size), end; m != end; ++m) {
    if (line.size.empty()) {
      line.size = (*m)[1];
      const auto at = close + 2;
      line.name = trimmed(text.substr(at, static_cast<std::size_t>(m->position()) - at));
    } else {
      line.sources += (*m)[1].str() + " ";
    }
  }
  return line;
}

/// The last graph that the debug output shows: the micro-batch is reserved last.
std::vector<Line> their_lines(const std::filesystem::path& log)
{
  std::vector<Line> lines;
  std::ifstream in(log);
  std::string text;
  while (std::getline(in, text)) {
    if (text.starts_with("## SPLIT #0")) lines.clear();
    if (text.starts_with("node #")) lines.push_back(parse_line(text));
  }
  return lines;
}

Placement placement_of(std::size_t n_gpus, int ngl, const ModelSpec& m)
{
  Placement p;
  p.n_layers = m.n_layer;
  const auto all = m.n_layer + m.n_layer_nextn + 1;
  p.backend = n_gpus == 0 ? Backend::cpu : Backend::cuda;
  p.n_gpu_layers = n_gpus == 0 ? 0 : ngl < 0 ? all : std::min(static_cast<std::uint32_t>(ngl), all);
  for (std::size_t i = 0; i < n_gpus; ++i) {
    p.gpus.push_back(i);
    p.split.push_back(1.0 / static_cast<double>(n_gpus));
  }
  return p;
}

void show(const char* who, const std::vector<Line>& lines, std::size_t i)
{
  if (i >= lines.size()) return fmt::print("{:5} -\n", who);
  const auto& l = lines[i];
  fmt::print("{:5} {:5} {:10} {:>6} use={} <- {:40} {}\n", who, l.device, l.op, l.size, l.uses, l.sources, l.name);
}

}  // namespace

int main(int argc, char** argv)
{
  std::vector<std::string> words(argv + 1, argv + argc), models;
  std::string command;
  Workload workload{.n_ctx = 4096};
  GraphRequest request;
  std::string fa = "on";
  std::size_t shown = 12;
  bool dump = false;
  auto quant = FileType::Q4_K_M;
  std::string device = "none";
  int ngl = -1;
  std::size_t i = 0;
  for (; i < words.size() && words[i] != "--"; ++i) command += words[i] + " ";
  for (++i; i < words.size(); ++i) {
    const auto value = [&] { return ++i < words.size() ? words[i] : std::string("0"); };
    const auto number = [&] { return static_cast<std::uint32_t>(std::stoul(value())); };
    const auto word = words[i];
    if (word == "--ctx") workload.n_ctx = number();
    else if (word == "--ubatch") workload.n_ubatch = number();
    else if (word == "--outputs") workload.n_outputs_max = number();
    else if (word == "--parallel") workload.n_seq_max = number();
    else if (word == "--type") request.type_k = request.type_v = parse_tensor_type(value()).value_or(TensorType::f16);
    else if (word == "--fa") fa = value();
    else if (word == "--lines") shown = number();
    else if (word == "--dump") dump = true;
    else if (word == "--quant") quant = parse_file_type(value()).value_or(quant);
    else if (word == "--device") device = value();
    else if (word == "--ngl") ngl = std::stoi(value());
    else if (word == "--kv-unified") workload.kv_unified = true;
    else if (word == "--no-kv-offload") workload.offload_kqv = request.offload_kqv = false;
    else models.push_back(word);
  }
  request.flash_attn = fa != "off";
  request.v_transposed = fa == "off";
  const auto catalogue = Catalogue::builtin();
  std::string folder = (std::filesystem::temp_directory_path() / "canirun-graph-XXXXXX").string();
  if (!catalogue || !mkdtemp(folder.data())) return 3;
  const std::filesystem::path dir = folder;
  int status = 0;
  for (const auto& name : models) {
    const auto entries = catalogue->entries();
    const auto first = std::ranges::find_if(entries, [&](const auto& e) { return name == "arch:" + e.spec.arch; });
    const auto* entry = first != entries.end() ? &*first : catalogue->find(name);
    if (!entry || unplannable(entry->spec)) {
      fmt::print("{}: no such model, or no plan\n", name);
      continue;
    }
    const auto& spec = entry->spec;
    const auto plan = tensor_plan(spec, quant);
    workload.embeddings = request.embeddings = spec.kind == ModelKind::embedding;
    request.shape = resolve(workload, spec);
    if (plan.slots.empty()) continue;
    std::vector<std::string> names;
    std::istringstream list(device == "none" ? "" : device);
    for (std::string one; std::getline(list, one, ',');) names.push_back(one);
    const auto schedule = schedule_request(spec, workload, placement_of(names.size(), ngl, spec));
    names.push_back("CPU");
    auto graph = build_graph(spec, plan, request);
    Scheduler scheduler;
    const auto ours = our_lines(plan, scheduler.assign(graph, schedule), names);
    if (dump) {
      for (std::size_t n = 0; n < ours.size(); ++n) show("ours", ours, n);
      continue;
    }
    write_model(spec, plan, dir / "m.gguf");
    std::ofstream(dir / "question") << json{{"gguf", (dir / "m.gguf").string()},     {"devs", device},
                                            {"ngl", device == "none" ? 0 : ngl},     {"kv_unified", workload.kv_unified},
                                            {"offload_kqv", workload.offload_kqv},   {"n_ctx", workload.n_ctx},
                                            {"n_ubatch", workload.n_ubatch},         {"n_outputs_max", workload.n_outputs_max},
                                            {"n_seq_max", workload.n_seq_max},       {"type_k", traits(request.type_k).name},
                                            {"type_v", traits(request.type_v).name}, {"fa", fa},
                                            {"embeddings", request.embeddings}}
                                           .dump()
                                    << '\n';
    const auto call = "GGML_SCHED_DEBUG=2 " + command + " -v <" + (dir / "question").string() + " >" + (dir / "answer").string() +
                      " 2>" + (dir / "log").string();
    [[maybe_unused]] const int code = std::system(call.c_str());  // NOLINT: a program of this folder with file names of our own
    const auto theirs = their_lines(dir / "log");
    if (theirs.empty()) {
      std::ifstream answer(dir / "answer");
      std::string line;
      std::getline(answer, line);
      fmt::print("{}: llama.cpp shows no graph: {}\n", spec.id, line);
      status = 1;
      continue;
    }
    std::size_t differences = 0;
    for (std::size_t n = 0; n < std::max(ours.size(), theirs.size()); ++n) {
      if (n < ours.size() && n < theirs.size() && ours[n] == theirs[n]) continue;
      if (differences++ >= shown) continue;
      fmt::print("node {}\n", n);
      show("ours", ours, n);
      show("real", theirs, n);
    }
    fmt::print("{} ({}): {} nodes, llama.cpp {}, {} differ\n", spec.id, spec.arch, ours.size(), theirs.size(), differences);
    if (differences) status = 1;
  }
  std::filesystem::remove_all(dir);
  return status;
}
