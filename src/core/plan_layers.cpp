#include "plan_layers.hpp"

#include <algorithm>

#include "canirun/core/fnv1a.hpp"

namespace canirun {
namespace {

/// Mixtures whose entry states the width of experts only.
bool has_no_dense_width(const ModelSpec& model)
{
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    if (model.n_ff(il) > 0) return false;
  }
  return true;
}

/// Some families count a mixer and a feed-forward network as a layer each (Nemotron-H) or leave one out (Deci).
std::vector<LayerFacts> facts_of(const ModelSpec& model)
{
  const bool dense_widths_absent = has_no_dense_width(model);
  std::vector<LayerFacts> facts;
  facts.reserve(model.n_layer);
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    const bool recurrent = model.is_recurrent(il), moe = model.is_moe(il);
    const bool mixes = recurrent || (model.n_head(il) > 0 && model.n_head_kv(il) > 0);
    const bool feeds = model.n_ff(il) > 0 || (moe && dense_widths_absent);
    facts.push_back({(mixes ? 0.5f : 0.0f) + (feeds ? 0.5f : 0.0f), recurrent, feeds && moe});
  }
  return facts;
}

}  // namespace

PlanLayers::PlanLayers(const ModelSpec& model, const TensorPlan& plan, std::span<const std::uint32_t> sites)
    : facts_(facts_of(model))
{
  const std::size_t n_layer_all = model.n_layer + model.n_layer_nextn;
  const auto layer_of = [&](const PlannedTensor& t) { return std::min<std::size_t>(t.layer, n_layer_all); };
  const auto is_outside = [](const PlannedTensor& t) { return t.place != TensorPlace::repeating || t.every_layer; };
  std::vector<Fnv1a> hashes(n_layer_all + 1);
  for (std::uint32_t i = 0; i < plan.tensors.size(); ++i) {
    const auto& t = plan.tensors[i];
    if (is_outside(t)) {
      outside_.push_back(i);
      continue;
    }
    auto& hash = hashes[layer_of(t)];
    hash.add(std::uint64_t{sites[i]});
    hash.add(t.ne[0]);
    hash.add(t.ne[1] * t.ne[2] * t.ne[3]);
    hash.add(std::uint64_t{(t.expert ? 1u : 0u) | (t.loaded ? 2u : 0u) | (t.duplicated_output ? 4u : 0u) | (t.lazy ? 8u : 0u)});
  }
  std::vector<std::uint64_t> known;
  std::vector<bool> stands_for_kind(hashes.size());
  for (std::size_t il = 0; il < hashes.size(); ++il) {
    const auto kind = std::ranges::find(known, hashes[il].value) - known.begin();
    if (kind == std::ssize(known)) {
      known.push_back(hashes[il].value);
      kinds_.emplace_back();
      stands_for_kind[il] = true;
    }
    ++kinds_[static_cast<std::size_t>(kind)].n_layers;
    kind_of_.push_back(static_cast<std::uint32_t>(kind));
  }
  for (std::uint32_t i = 0; i < plan.tensors.size(); ++i) {
    const auto& t = plan.tensors[i];
    const auto il = layer_of(t);
    if (stands_for_kind[il] && !is_outside(t)) kinds_[kind_of_[il]].tensors.push_back(i);
  }
}

Bytes PlanLayers::loaded_bytes(const TensorPlan& plan) const
{
  const auto bytes = [&](std::uint32_t i) { return plan.tensors[i].loaded ? plan.tensors[i].bytes() : Bytes{}; };
  Bytes all;
  for (const auto& kind : kinds_) {
    Bytes layer;
    for (const auto i : kind.tensors) layer += bytes(i);
    all += kind.n_layers * layer;
  }
  for (const auto i : outside_) all += bytes(i);
  return all;
}

std::vector<std::uint32_t> sites_by_type(const TensorPlan& plan)
{
  std::vector<std::uint32_t> sites;
  sites.reserve(plan.tensors.size());
  for (const auto& t : plan.tensors) sites.push_back(static_cast<std::uint32_t>(t.type));
  return sites;
}

}  // namespace canirun
