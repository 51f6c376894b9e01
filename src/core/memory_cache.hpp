#pragma once

#include <map>
#include <tuple>

#include "memory_model.hpp"

namespace canirun {

/// estimate_memory for many placements and file types of one model. Replaying a graph is the expensive part, so its results are kept:
/// with all weights on GPUs, or all on the host, they do not depend on tensor types (no weight is streamed), which makes a listing
/// of 14 file types cost one graph.
class MemoryCache {
 public:
  explicit MemoryCache(const ModelSpec& model) : model_(model) {}

  /// The same as estimate_memory. `workload` differs between calls in n_ctx only.
  MemoryEstimate estimate(const TensorPlan& plan, const Workload& workload, const Placement& placement);

  /// Weights and caches exactly, compute buffers as `similar` has them: what a search steps with before it asks for the truth.
  MemoryEstimate estimate_like(const TensorPlan& plan, const Workload& workload, const Placement& placement,
                               const MemoryEstimate& similar) const;

 private:
  /// n_ctx, layers on GPUs, backend, number of GPUs, shares.
  using Key = std::tuple<std::uint32_t, std::uint32_t, Backend, std::size_t, std::vector<double>>;

  const ModelSpec& model_;
  std::map<Key, GraphBytes> graphs_;
};

}  // namespace canirun
