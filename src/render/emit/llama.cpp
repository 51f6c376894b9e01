#include "canirun/core/command.hpp"
#include "emit/emitters.hpp"

/// \file
/// llama.cpp's own programs. Flags: llama.cpp common/arg.cpp.

namespace canirun {

namespace {

Result<std::string> emit_program(const EmitRequest& request, LlamaProgram program, std::string_view program_name)
{
  auto words = llama_arguments(run_of(request.report, request.model, request.row), program, Visible::all_gpus);
  words.insert(words.begin(), std::string(program_name));
  return describe_run(request) + shell_line(words) + "\n";
}

}  // namespace

Result<std::string> emit_llama_server(const EmitRequest& request)
{
  return emit_program(request, LlamaProgram::server, "llama-server");
}

Result<std::string> emit_llama_cli(const EmitRequest& request)
{
  if (request.model.kind == ModelKind::embedding) {
    return fail(ErrorKind::invalid_argument, "llama-cli makes text and this is an embedding model; use --emit llama-server");
  }
  return emit_program(request, LlamaProgram::cli, "llama-cli");
}

}  // namespace canirun
