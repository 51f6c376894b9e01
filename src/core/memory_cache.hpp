#pragma once

#include <array>
#include <map>
#include <optional>
#include <tuple>

#include "memory_model.hpp"

namespace canirun {

/// estimate_memory for many placements and file types of one model. Replaying a graph is the expensive part, so its results are kept:
/// with all weights on the host they do not depend on tensor types, with all on GPUs only on what the backends tell apart (no weight is
/// streamed), which makes a listing of 14 file types cost few graphs. Those of other placements depend on every type: a search comes
/// back to the same place, and so do machines of other sizes.
class MemoryCache {
 public:
  /// Both must outlive it. `sites`: one number a tensor, equal ones for tensors that get equal types in every file type.
  MemoryCache(const ModelSpec& model, const TensorPlan& plan, std::span<const std::uint32_t> sites)
      : model_(model), plan_(plan), layers_(model, plan, sites)
  {
  }
  /// For a plan whose types stand.
  MemoryCache(const ModelSpec& model, const TensorPlan& plan) : MemoryCache(model, plan, sites_by_type(plan)) {}

  /// The same as estimate_memory. `workload` differs between calls in n_ctx only; types of the plan after types_changed() only.
  MemoryEstimate estimate(const Workload& workload, const Placement& placement);

  /// Weights and caches exactly, compute buffers as `similar` has them: what a search steps with before it asks for the truth.
  MemoryEstimate estimate_like(const Workload& workload, const Placement& placement, const MemoryEstimate& similar);

  /// An estimate of the same placement and types at another context: caches anew, compute buffers as `known` has them.
  MemoryEstimate at_context(const MemoryEstimate& known, const Workload& workload, const ScheduleRequest& devices);

  /// What the graph of a workload decides.
  const GraphBytes& graph(const Workload& workload, const ScheduleRequest& devices);

  /// What a token reads of the plan's weights.
  const PlanWork& work(Backend backend);
  /// The caches of a workload.
  const CacheLayers& caches(const Workload& workload);
  Bytes loaded_bytes() const { return layers_.loaded_bytes(plan_); }

  /// To be called when the plan's tensors get other types.
  void types_changed();

 private:
  /// n_ctx, backend, number of GPUs, device of each layer, experts in RAM, types as far as they count: all that the
  /// schedule of one plan depends on.
  using Key = std::tuple<std::uint32_t, Backend, std::size_t, std::vector<std::int8_t>, std::uint32_t, std::uint64_t>;

  const PlanWeights& weights(Backend backend);
  struct TypeHashes {
    std::uint64_t kinds = 0;  ///< Of the kind of each tensor's type.
    std::uint64_t types = 0;  ///< Of the types themselves.
  };
  const TypeHashes& types();

  const ModelSpec& model_;
  const TensorPlan& plan_;
  const PlanLayers layers_;
  std::optional<CacheLayers> caches_;
  std::uint32_t caches_n_ctx_ = 0;  ///< Of the workload that they are of.
  // Of the types that the plan has now:
  std::array<std::optional<PlanWeights>, 5> weights_;  ///< By backend.
  std::array<std::optional<PlanWork>, 5> work_;        ///< By backend; the first serves all that can use every weight.
  std::optional<TypeHashes> types_;

  std::map<Key, GraphBytes> graphs_;
};

}  // namespace canirun
