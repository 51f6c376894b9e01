#include "canirun/core/runtime.hpp"

namespace canirun {

RuntimeRules rules_of(Runtime runtime)
{
  switch (runtime) {
    case Runtime::llama_cpp: return {};
    case Runtime::llama_server: return {.outputs_per_slot = true};
    case Runtime::ollama:
    case Runtime::lm_studio: return {.swa_full = true, .output_layer_last = true};
    case Runtime::vllm:  // other memory models altogether (vllm/, transformers/, media/diffusers.hpp)
    case Runtime::transformers:
    case Runtime::diffusers: return {};
  }
  return {};
}

bool has_full_windows(const Workload& workload) { return workload.swa_full || rules_of(workload.runtime).swa_full; }

}  // namespace canirun
