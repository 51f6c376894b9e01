#include "canirun/core/command.hpp"
#include "emit/emitters.hpp"

/// \file
/// Checkpoints: vLLM (docs.vllm.ai, "vllm serve") and transformers, whose command is the row's own.

namespace canirun {

Result<std::string> emit_vllm(const EmitRequest& request)
{
  auto words = vllm_arguments(run_of(request.report, request.model, request.row));
  words.insert(words.begin(), {"vllm", "serve"});
  return describe_run(request) + shell_line(words) + "\n";
}

Result<std::string> emit_transformers(const EmitRequest& request) { return describe_run(request) + request.row.command + "\n"; }

}  // namespace canirun
