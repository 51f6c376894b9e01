#include <algorithm>
#include <fmt/format.h>

#include "canirun/core/command.hpp"
#include "describe.hpp"
#include "emit/emitters.hpp"
#include "text.hpp"

/// \file
/// Ollama: parameters of a Modelfile (ollama docs/modelfile.mdx; num_gpu and num_batch are api/types.go, Runner) and the
/// variables of its server (envconfig/config.go).

namespace canirun {

namespace {

/// What Ollama cannot be told, or nothing.
std::string cannot(const EmitRequest& request)
{
  const auto& p = request.row.placement;
  const auto& w = request.report.workload;
  if (p.n_cpu_moe > 0) return "Ollama moves whole layers to RAM, not experts alone; add --n-cpu-moe 0 to place by layers";
  if (w.cache_type_k != w.cache_type_v) return "Ollama has one type for both halves of the cache; make -ctk and -ctv equal";
  return {};
}

/// Settings of `ollama serve` that the row depends on, as one comment; "" when it runs with its defaults.
std::string server_settings(const EmitRequest& request, bool with_context)
{
  const auto& w = request.report.workload;
  std::string settings;
  if (with_context) settings += fmt::format(" OLLAMA_CONTEXT_LENGTH={}", request.model.n_ctx / std::max(w.n_seq_max, 1u));
  if (w.n_seq_max > 1) settings += fmt::format(" OLLAMA_NUM_PARALLEL={}", w.n_seq_max);
  if (w.cache_type_k != TensorType::f16) {
    settings += fmt::format(" OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE={}", traits(w.cache_type_k).name);
  }
  return settings.empty() ? "" : fmt::format("# the server needs:{} ollama serve\n", settings);
}

/// Ollama multiplies num_ctx by the number of parallel requests; --ctx is shared by all of them.
std::uint32_t context_of_one(const EmitRequest& request)
{
  return request.model.n_ctx / std::max(request.report.workload.n_seq_max, 1u);
}

/// The instructions of a Modelfile for the row. The parser drops what is not printable and has no escapes (parser/parser.go).
Result<std::string> modelfile(const EmitRequest& request)
{
  if (const auto why = cannot(request); !why.empty()) return fail(ErrorKind::invalid_argument, why);
  const auto& row = request.row;
  if (std::ranges::any_of(row.file, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; })) {
    return fail(ErrorKind::invalid_argument,
                "a Modelfile cannot name a file with control characters in its name; rename the file");
  }
  const Workload defaults;
  const auto& w = request.report.workload;
  auto out = fmt::format("FROM {}\nPARAMETER num_ctx {}\nPARAMETER num_gpu {}\n", explicit_path(row.file),
                         context_of_one(request), row.placement.gpus.empty() ? 0 : row.placement.n_gpu_layers);
  // Ollama's batch is the micro-batch of llama.cpp and 512 as well.
  if (w.n_ubatch != defaults.n_ubatch) out += fmt::format("PARAMETER num_batch {}\n", w.n_ubatch);
  return out;
}

/// `ollama run` talks with a model; one that makes vectors is only fetched or made.
std::string_view verb(const ModelReport& model) { return model.kind == ModelKind::embedding ? "pull" : "run"; }

}  // namespace

Result<std::string> emit_modelfile(const EmitRequest& request)
{
  const auto lines = modelfile(request);
  if (!lines) return tl::unexpected(lines.error());
  const auto name = safe_name(request.model);
  return describe_run(request) + fmt::format("# ollama create {} -f Modelfile && ollama run {}\n", name, name) +
         server_settings(request, false) + *lines;
}

Result<std::string> emit_ollama(const EmitRequest& request)
{
  const auto& model = request.model;
  if (is_own_file(request) || model.ollama.empty()) {
    const auto lines = modelfile(request);
    if (!lines) return tl::unexpected(lines.error());
    const auto name = safe_name(model);
    return describe_run(request) + server_settings(request, false) + "cat > Modelfile <<'END'\n" + *lines +
           fmt::format("END\nollama create {} -f Modelfile\n", name) +
           (model.kind == ModelKind::embedding ? "" : fmt::format("ollama run {}\n", name));
  }
  if (request.row.placement.n_cpu_moe > 0) return fail(ErrorKind::invalid_argument, cannot(request));
  const std::vector<std::string> run{"ollama", std::string(verb(model)), model.ollama};
  return fmt::format("# {} in Ollama's library has a quantisation of its own; for exactly {} use --emit modelfile\n",
                     clean(model.ollama), quant_text(request.row)) +
         server_settings(request, true) + shell_line(run) + "\n";
}

}  // namespace canirun
