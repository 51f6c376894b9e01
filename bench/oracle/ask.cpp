// Asks the real llama.cpp what it would allocate for a model file, without allocating: one question a line on standard input, one
// answer a line on standard output, both JSON. A question names the file and the flags; an answer adds bytes per buffer type.
//
//   {"gguf":"m.gguf","devs":"none|CUDA0|CUDA0,CUDA1","ngl":-1,"n_ctx":4096,"n_batch":2048,"n_ubatch":512,"n_seq_max":1,
//    "n_outputs_max":0,"type_k":"f16","type_v":"f16","fa":"auto|on|off","offload_kqv":true,"swa_full":false,"kv_unified":false,
//    "ot":"exps=CPU","split":[3,1]}
//
// Every question runs in a child process: llama.cpp aborts where it meets what it does not support.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "llama.h"
#include "src/llama-ext.h"

using json = nlohmann::ordered_json;

namespace {

bool s_verbose = false;

void log(ggml_log_level level, const char* text, void*)
{
  if (s_verbose || level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
}

ggml_type type_by_name(const std::string& name)
{
  for (int t = 0; t < GGML_TYPE_COUNT; ++t) {
    const auto type = static_cast<ggml_type>(t);
    if (ggml_type_name(type) && name == ggml_type_name(type)) return type;
  }
  return GGML_TYPE_F16;
}

std::vector<ggml_backend_dev_t> devices(const std::string& names)
{
  std::vector<ggml_backend_dev_t> found;
  if (names != "none") {
    std::size_t from = 0;
    while (from <= names.size()) {
      const auto to = std::min(names.find(',', from), names.size());
      const auto name = names.substr(from, to - from);
      if (const auto device = ggml_backend_dev_by_name(name.c_str())) found.push_back(device);
      else std::fprintf(stderr, "no device is called %s\n", name.c_str());
      from = to + 1;
    }
  }
  found.push_back(nullptr);
  return found;
}

json ask(const json& question)
{
  auto mparams = llama_model_default_params();
  auto devs = devices(question.value("devs", "none"));
  mparams.devices = devs.data();
  mparams.n_gpu_layers = question.value("ngl", -1);
  mparams.no_alloc = true;
  mparams.load_mode = LLAMA_LOAD_MODE_NONE;
  mparams.use_extra_bufts = question.value("use_extra_bufts", true);
  std::vector<llama_model_tensor_buft_override> overrides;
  const std::string override_text = question.value("ot", "");
  std::string pattern;
  if (const auto equals = override_text.rfind("=CPU"); equals != std::string::npos) {
    pattern = override_text.substr(0, equals);
    overrides.push_back({pattern.c_str(), ggml_backend_cpu_buffer_type()});
    overrides.push_back({nullptr, nullptr});
    mparams.tensor_buft_overrides = overrides.data();
  }
  auto split = question.value("split", std::vector<float>{});
  if (!split.empty()) {
    split.resize(llama_max_devices(), 0.0F);
    mparams.tensor_split = split.data();
  }
  json answer = question;
  auto* model = llama_model_load_from_file(question.at("gguf").get<std::string>().c_str(), mparams);
  if (!model) {
    answer["error"] = "llama.cpp does not load the model";
    return answer;
  }
  auto cparams = llama_context_default_params();
  cparams.n_ctx = question.value("n_ctx", 4096u);
  cparams.n_batch = question.value("n_batch", 2048u);
  cparams.n_ubatch = question.value("n_ubatch", 512u);
  cparams.n_seq_max = question.value("n_seq_max", 1u);
  cparams.n_outputs_max = question.value("n_outputs_max", 0u);
  cparams.type_k = type_by_name(question.value("type_k", "f16"));
  cparams.type_v = type_by_name(question.value("type_v", "f16"));
  const std::string fa = question.value("fa", "auto");
  cparams.flash_attn_type = fa == "on"    ? LLAMA_FLASH_ATTN_TYPE_ENABLED
                            : fa == "off" ? LLAMA_FLASH_ATTN_TYPE_DISABLED
                                          : LLAMA_FLASH_ATTN_TYPE_AUTO;
  cparams.offload_kqv = question.value("offload_kqv", true);
  cparams.swa_full = question.value("swa_full", false);
  cparams.kv_unified = question.value("kv_unified", false);
  cparams.embeddings = question.value("embeddings", false);
  auto* context = llama_init_from_model(model, cparams);
  if (!context) {
    answer["error"] = "llama.cpp refuses the context";
    return answer;
  }
  json parts = {{"model_bytes", json::object()}, {"context_bytes", json::object()}, {"compute_bytes", json::object()}};
  for (const auto& [type, bytes] : llama_get_memory_breakdown(context)) {
    const std::string name = ggml_backend_buft_name(type);
    if (bytes.model) parts["model_bytes"][name] = bytes.model;
    if (bytes.context) parts["context_bytes"][name] = bytes.context;
    if (bytes.compute) parts["compute_bytes"][name] = bytes.compute;
  }
  answer["n_ctx_real"] = llama_n_ctx(context);
  answer.update(parts);
  return answer;
}

}  // namespace

int main(int argc, char** argv)
{
  std::vector<std::string> backends;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "-v") s_verbose = true;
    else backends.emplace_back(argv[i]);
  }
  setenv("GGML_NO_BACKTRACE", "1", 1);
  llama_log_set(log, nullptr);
  for (const auto& path : backends) {
    if (!ggml_backend_load(path.c_str())) {
      std::fprintf(stderr, "cannot load %s\n", path.c_str());
      return 2;
    }
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    const auto question = json::parse(line, nullptr, false);
    if (question.is_discarded()) {
      std::fprintf(stderr, "not a JSON question: %s\n", line.c_str());
      return 2;
    }
    std::cout.flush();
    std::fflush(stdout);
    const auto child = fork();
    if (child == 0) {
      std::cout << ask(question).dump() << std::endl;
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status)) {
      auto answer = question;
      answer["error"] = "llama.cpp died";
      std::cout << answer.dump() << std::endl;
    }
  }
  return 0;
}
