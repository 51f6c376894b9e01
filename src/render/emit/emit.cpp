#include "canirun/render/emit.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "describe.hpp"
#include "emit/emitters.hpp"

namespace canirun {

namespace {

/// Which rows a target runs.
enum class Runs { gguf, checkpoints, both, pictures, speech };

struct Target {
  std::string_view name;
  Runs runs;
  Runtime runtime;  ///< Whose rules place and size the row.
  Result<std::string> (*function)(const EmitRequest&);
};

// A new target is one line here and one file.
constexpr std::array k_targets{
    Target{"llama-server", Runs::gguf, Runtime::llama_cpp, emit_llama_server},
    Target{"llama-cli", Runs::gguf, Runtime::llama_cpp, emit_llama_cli},
    Target{"ollama", Runs::gguf, Runtime::ollama, emit_ollama},
    Target{"modelfile", Runs::gguf, Runtime::ollama, emit_modelfile},
    Target{"lmstudio", Runs::gguf, Runtime::lm_studio, emit_lm_studio},
    Target{"localai", Runs::gguf, Runtime::llama_cpp, emit_localai},
    Target{"vllm", Runs::checkpoints, Runtime::vllm, emit_vllm},
    Target{"transformers", Runs::checkpoints, Runtime::transformers, emit_transformers},
    Target{"diffusers", Runs::pictures, Runtime::diffusers, emit_diffusers},
    Target{"sd", Runs::pictures, Runtime::llama_cpp, emit_stable_diffusion},
    Target{"whisper", Runs::speech, Runtime::llama_cpp, emit_whisper},
    Target{"kubernetes", Runs::both, Runtime::llama_cpp, emit_kubernetes},
    Target{"compose", Runs::both, Runtime::llama_cpp, emit_compose},
};

/// Of rows for models that make pictures, of speech, and of text or vectors.
Runs runs_of(ModelKind kind)
{
  if (kind == ModelKind::image || kind == ModelKind::video) return Runs::pictures;
  return kind == ModelKind::audio ? Runs::speech : Runs::both;
}

std::string_view usual_target(Runs runs)
{
  return runs == Runs::pictures ? "sd" : runs == Runs::speech ? "whisper" : "llama-server";
}

}  // namespace

std::vector<std::string_view> emit_target_names()
{
  std::vector<std::string_view> names;
  names.reserve(k_targets.size());
  for (const auto& target : k_targets) names.push_back(target.name);
  return names;
}

Runtime runtime_of_target(std::string_view name)
{
  const auto found = std::ranges::find(k_targets, name, &Target::name);
  return found == k_targets.end() ? Runtime::llama_cpp : found->runtime;
}

Result<std::string> emit_run(std::string_view name, const EmitRequest& request)
{
  const auto found = std::ranges::find(k_targets, name, &Target::name);
  if (found == k_targets.end()) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("no target is called '{}'; choose one of {}", name, fmt::join(emit_target_names(), ", ")));
  }
  const auto kind = runs_of(request.model.kind);
  const bool media_target = found->runs == Runs::pictures || found->runs == Runs::speech;
  if (kind != (media_target ? found->runs : Runs::both)) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("{} does not run models such as {}; use --emit {}", name, request.model.id, usual_target(kind)));
  }
  if (found->runs == Runs::gguf && request.row.checkpoint) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("{} runs GGUF files, not {} checkpoints; leave out --runtime or use --emit {}", name,
                            quant_text(request.row), canirun::name(request.report.workload.runtime)));
  }
  if (found->runs == Runs::checkpoints && !request.row.checkpoint) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("{} runs Hugging Face checkpoints, not GGUF files; leave out --runtime", name));
  }
  const auto runtime = request.report.workload.runtime;
  const bool contains = found->runs == Runs::both && runtime == Runtime::vllm;
  if (request.row.checkpoint && runtime != found->runtime && !contains) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("the row is one of {0}, which {1} does not run; use --emit {0}", canirun::name(runtime), name));
  }
  return found->function(request);
}

}  // namespace canirun
