#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/render/emit.hpp"

/// \file
/// One function a target, each in its own file; `emit_run` finds them by name. What several of them say is here.

namespace canirun {

Result<std::string> emit_llama_server(const EmitRequest& request);
Result<std::string> emit_llama_cli(const EmitRequest& request);
Result<std::string> emit_ollama(const EmitRequest& request);
Result<std::string> emit_modelfile(const EmitRequest& request);
Result<std::string> emit_lm_studio(const EmitRequest& request);
Result<std::string> emit_localai(const EmitRequest& request);
Result<std::string> emit_vllm(const EmitRequest& request);
Result<std::string> emit_stable_diffusion(const EmitRequest& request);
Result<std::string> emit_transformers(const EmitRequest& request);
Result<std::string> emit_diffusers(const EmitRequest& request);
Result<std::string> emit_whisper(const EmitRequest& request);
Result<std::string> emit_kubernetes(const EmitRequest& request);
Result<std::string> emit_compose(const EmitRequest& request);

/// Comment lines, "# …": what runs, what it takes, and which file is needed where the model is no file yet.
std::string describe_run(const EmitRequest& request);
/// Whether the row is a file that the user named.
bool is_own_file(const EmitRequest& request);
/// The model's id as a name that Ollama, LM Studio, DNS and YAML all take: [a-z0-9-], at most 63 characters, never empty.
std::string safe_name(const ModelReport& model);
/// What is after the last '/'.
std::string base_name(std::string_view path);
/// Everything before it; "." when there is none.
std::string folder_of(std::string_view path);
/// A path that no program takes for a model's name: with "./" before it unless it is absolute.
std::string explicit_path(std::string_view path);

}  // namespace canirun
