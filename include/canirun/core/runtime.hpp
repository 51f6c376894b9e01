#pragma once

#include "canirun/core/workload.hpp"

/// \file
/// In what the programs that run llama.cpp differ from it, as far as memory is concerned (docs/memory-model.md, "Runtimes").

namespace canirun {

struct RuntimeRules {
  /// Logits of one row a slot in a micro-batch, not of all its tokens (llama.cpp: tools/server/server-context.cpp:
  /// server_output_limits).
  bool outputs_per_slot = false;
  /// Sliding-window caches at full size, as with --swa-full ("using full-size SWA cache" in the load logs of Ollama's runner and of
  /// LM Studio's engines).
  bool swa_full = false;
  /// Repeating layers go to the GPU first and the output layer last, as llama.cpp before 2025-12 did: the first layer on the GPU is
  /// max(n_layer_all − n_gpu_layers, 0), and the output layer is there only if n_gpu_layers > n_layer_all.
  bool output_layer_last = false;
};
RuntimeRules rules_of(Runtime runtime);

/// Whether sliding-window caches are as large as the full ones: asked for, or the runtime's way.
bool has_full_windows(const Workload& workload);

}  // namespace canirun
