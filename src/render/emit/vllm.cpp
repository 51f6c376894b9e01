#include "canirun/core/command.hpp"
#include "emit/emitters.hpp"

/// \file
/// vLLM. Flags: docs.vllm.ai, "vllm serve".

namespace canirun {

Result<std::string> emit_vllm(const EmitRequest& request)
{
  auto words = vllm_arguments(run_of(request.report, request.model, request.row));
  words.insert(words.begin(), {"vllm", "serve"});
  return describe_run(request) + shell_line(words) + "\n";
}

}  // namespace canirun
