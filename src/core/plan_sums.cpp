#include "plan_sums.hpp"

#include <algorithm>

#include "graph/backend_rules.hpp"

namespace canirun {

PlanWeights plan_weights(const ModelSpec& model, const TensorPlan& plan, Backend backend)
{
  const std::size_t n_layer_all = model.n_layer + model.n_layer_nextn;
  const auto host_align = host_alignment(backend), gpu_align = buffer_alignment(backend);
  PlanWeights sums;
  sums.layers.resize(n_layer_all + 1);
  for (std::size_t il = 0; il < n_layer_all; ++il) {
    sums.has_factors.push_back(model.arch != "gemma4" || !model.is_swa(il));  // gemma4.cpp: full-attention layers alone
  }
  for (const auto& t : plan.tensors) {
    if (!t.loaded) continue;
    const auto bytes = t.bytes().count;
    const Bytes in_ram = align_up({bytes}, host_align);
    const WeightBytes anywhere{align_up({bytes + row_tail(backend, t.type, t.ne[0])}, gpu_align), in_ram};
    const bool kept = !supports_weight(backend, t.type, bytes);
    sums.any_kept |= kept;
    const auto add = [&](LayerWeights& to) {
      if (kept) {
        to.kept += in_ram;
        return;
      }
      auto& part = t.expert ? to.experts : to.dense;
      part.on_gpu += anywhere.on_gpu;
      part.on_host += anywhere.on_host;
    };
    switch (t.place) {
      case TensorPlace::input: sums.input += align_up({bytes}, t.lazy ? 32 : host_align); break;
      case TensorPlace::repeating:
        if (t.every_layer) {
          sums.every_layer.on_gpu += anywhere.on_gpu;
          sums.every_layer.on_host += anywhere.on_host;
        } else {
          add(sums.layers[std::min<std::size_t>(t.layer, n_layer_all)]);
        }
        break;
      case TensorPlace::output: add(sums.layers.back()); break;
    }
    if (t.duplicated_output) add(sums.tied);
  }
  return sums;
}

void WeightWork::add(const PlannedTensor& t)
{
  const auto family = static_cast<std::size_t>(quant_family(t.type));
  bytes[family] += static_cast<double>(t.bytes().count);
  weights[family] += static_cast<double>(t.n_elements());
}

PlanWork plan_work(const ModelSpec& model, const TensorPlan& plan)
{
  PlanWork work(model.n_layer + model.n_layer_nextn + 1);
  for (const auto& t : plan.tensors) {
    if (!t.loaded || (t.place == TensorPlace::input && !t.duplicated_output)) continue;
    auto& layer = t.place == TensorPlace::repeating ? work[std::min<std::size_t>(t.layer, work.size() - 1)] : work.back();
    (t.expert ? layer.experts : layer.dense).add(t);
  }
  return work;
}

}  // namespace canirun
