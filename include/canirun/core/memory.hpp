#pragma once

#include <cstdint>
#include <vector>

#include "canirun/core/placement.hpp"
#include "canirun/core/units.hpp"

/// \file
/// How much memory a run needs on each device, part by part, as llama.cpp allocates it.

namespace canirun {

/// What one device holds. On a GPU the first four are what llama.cpp prints as that device's model, KV, RS and compute buffer;
/// on the host each is the sum of CPU, CPU_REPACK and *_Host buffers.
struct MemoryParts {
  Bytes weights;
  Bytes kv_cache;
  Bytes recurrent_state;
  Bytes compute;
  Bytes output;
  Bytes projector;
  Bytes runtime_overhead;  ///< Backend context, process: in none of llama.cpp's figures.

  constexpr Bytes total() const { return weights + kv_cache + recurrent_state + compute + output + projector + runtime_overhead; }
  constexpr MemoryParts& operator+=(const MemoryParts& b)
  {
    weights += b.weights;
    kv_cache += b.kv_cache;
    recurrent_state += b.recurrent_state;
    compute += b.compute;
    output += b.output;
    projector += b.projector;
    runtime_overhead += b.runtime_overhead;
    return *this;
  }
  friend constexpr bool operator==(const MemoryParts&, const MemoryParts&) = default;
};

struct MemoryEstimate {
  std::vector<MemoryParts> gpus;  ///< One for each of Placement::gpus.
  MemoryParts host;
  bool flash_attn = true;     ///< What "auto" became.
  bool caches_known = true;   ///< false: a file of an architecture that is not known here; its caches are null in the report.
  bool compute_known = true;  ///< false: the family has no graph here; compute is null in the report.

  MemoryParts total() const;
};

/// Memory of one run. Pure; never fails: a plan that exists can be placed anywhere, fitting is the caller's question.
MemoryEstimate estimate_memory(const ModelSpec& model, const TensorPlan& plan, const Workload& workload,
                               const Placement& placement);

}  // namespace canirun
