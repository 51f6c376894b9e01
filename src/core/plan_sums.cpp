#include "plan_sums.hpp"

#include <algorithm>

#include "graph/backend_rules.hpp"
#include "graph/backend_support.hpp"

namespace canirun {

namespace {

/// Adds what is loaded of one layer's tensor.
void add(LayerWeights& to, const PlannedTensor& t, Backend backend, std::uint64_t host_align, std::uint64_t gpu_align,
         bool& any_kept)
{
  const auto bytes = t.bytes().count;
  const Bytes in_ram = align_up({bytes}, host_align);
  if (!supports_weight(backend, t.type, bytes)) {
    any_kept = true;
    to.kept += in_ram;
    return;
  }
  auto& part = t.expert ? to.experts : to.dense;
  part.on_gpu += align_up({bytes + row_tail(backend, t.type, t.ne[0])}, gpu_align);
  part.on_host += in_ram;
}

}  // namespace

PlanWeights plan_weights(const ModelSpec& model, const TensorPlan& plan, const PlanLayers& layers, Backend backend)
{
  const auto host_align = host_alignment(backend), gpu_align = buffer_alignment(backend);
  PlanWeights sums;
  const auto add_to = [&](LayerWeights& to, const PlannedTensor& t) {
    if (t.loaded) add(to, t, backend, host_align, gpu_align, sums.any_kept);
  };
  sums.kinds.resize(layers.kinds().size());
  for (std::size_t k = 0; k < sums.kinds.size(); ++k) {
    for (const auto i : layers.kinds()[k].tensors) add_to(sums.kinds[k], plan.tensors[i]);
  }
  sums.kind_of = layers.kind_of();
  for (const auto i : layers.outside()) {
    const auto& t = plan.tensors[i];
    if (!t.loaded) continue;
    if (t.place == TensorPlace::input) {
      sums.input += align_up(t.bytes(), t.lazy ? 32 : host_align);
      sums.any_kept |= !supports_weight(backend, t.type, t.bytes().count);
    } else if (t.place == TensorPlace::output) {
      add_to(sums.output, t);
    } else {  // rope factors
      for (std::size_t il = sums.has_factors.size(); il + 1 < layers.size(); ++il) {
        sums.has_factors.push_back(model.arch != "gemma4" || !model.is_swa(il));  // gemma4.cpp: full-attention layers alone
      }
      sums.every_layer.on_gpu += align_up({t.bytes().count + row_tail(backend, t.type, t.ne[0])}, gpu_align);
      sums.every_layer.on_host += align_up(t.bytes(), host_align);
      sums.any_kept |= !supports_weight(backend, t.type, t.bytes().count);
    }
    if (t.duplicated_output) add_to(sums.tied, t);
  }
  return sums;
}

void WeightWork::add(const PlannedTensor& t)
{
  const auto family = static_cast<std::size_t>(quant_family(t.type));
  bytes[family] += static_cast<double>(t.bytes().count);
  weights[family] += static_cast<double>(t.n_elements());
}

PlanWork plan_work(const TensorPlan& plan, const PlanLayers& layers, Backend backend)
{
  PlanWork work;
  const auto add = [&](LayerWork& to, const PlannedTensor& t) {
    if (!t.loaded) return;
    if (supports_weight(backend, t.type, t.bytes().count)) {
      (t.expert ? to.experts : to.dense).add(t);
      return;
    }
    (t.expert ? to.kept_experts : to.kept_dense).add(t);
    to.any_kept = true;
    if (supports_matrix(backend, t.type)) work.kept_large = true;
    else work.kept_type = t.type;
  };
  work.facts.assign(layers.facts().begin(), layers.facts().end());
  work.kinds.resize(layers.kinds().size());
  for (std::size_t k = 0; k < work.kinds.size(); ++k) {
    for (const auto i : layers.kinds()[k].tensors) add(work.kinds[k], plan.tensors[i]);
  }
  work.kind_of.assign(layers.kind_of().begin(), layers.kind_of().end());
  // What is outside of the layers is read with the first or the last one, which is of a kind of its own then.
  const auto add_to = [&](std::uint32_t& kind, const PlannedTensor& t) {
    if (std::ranges::count(work.kind_of, kind) > 1) {
      work.kinds.push_back(LayerWork(work.kinds[kind]));
      kind = static_cast<std::uint32_t>(work.kinds.size()) - 1;
    }
    add(work.kinds[kind], t);
  };
  for (const auto i : layers.outside()) {
    const auto& t = plan.tensors[i];
    if (t.place == TensorPlace::input && !t.duplicated_output) continue;
    add_to(t.every_layer ? work.kind_of.front() : work.kind_of.back(), t);
  }
  return work;
}

}  // namespace canirun
