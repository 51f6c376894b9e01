#include <algorithm>

#include "cache.hpp"
#include "layer_counts.hpp"
#include "plan_sums.hpp"

namespace canirun {

QuantFamily quant_family(TensorType type)
{
  switch (type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::f64: return QuantFamily::floating;
    case TensorType::bf16: return QuantFamily::brain;
    case TensorType::q2_K:
    case TensorType::q3_K:
    case TensorType::q4_K:
    case TensorType::q5_K:
    case TensorType::q6_K:
    case TensorType::q8_K: return QuantFamily::k;
    case TensorType::iq1_s:
    case TensorType::iq1_m:
    case TensorType::iq2_xxs:
    case TensorType::iq2_xs:
    case TensorType::iq2_s:
    case TensorType::iq3_xxs:
    case TensorType::iq3_s:
    case TensorType::iq4_xs:
    case TensorType::tq1_0:
    case TensorType::tq2_0:
    case TensorType::q1_0:
    case TensorType::q2_0:
    case TensorType::iq4_nl:
    case TensorType::mxfp4:
    case TensorType::nvfp4: return QuantFamily::table;
    default: return QuantFamily::legacy;
  }
}

namespace {

/// Index into the work of the device that reads each layer, the output layer last; the host is the last device.
std::vector<std::size_t> devices_of_layers(const ModelSpec& model, const Placement& placement)
{
  const auto n_layer_all = model.n_layer + model.n_layer_nextn;
  std::vector<std::size_t> devices;
  for (std::uint32_t il = 0; il <= n_layer_all; ++il) {
    devices.push_back(placement.device_of_layer(il, n_layer_all).value_or(placement.gpus.size()));
  }
  return devices;
}

/// Share of an expert stack that one token reads.
double expert_share(const ModelSpec& model)
{
  if (!model.moe || model.moe->n_expert == 0) return 1;
  return static_cast<double>(model.moe->n_expert_used) / static_cast<double>(model.moe->n_expert);
}

void add_weights(std::vector<TokenWork>& work, const ModelSpec& model, const PlanWork& plan, const Placement& placement,
                 const std::vector<std::size_t>& devices)
{
  const auto n_kinds = plan.kinds.size();
  const LayerCounts dense(plan.kind_of, n_kinds, work.size(), [&](std::uint32_t il) { return devices[il]; });
  const LayerCounts experts(plan.kind_of, n_kinds, work.size(),
                            [&](std::uint32_t il) { return placement.experts_on_host(il) ? work.size() - 1 : devices[il]; });
  const auto add_output = [&](TokenWork& to, const WeightWork& w) {
    for (std::size_t f = 0; f < k_quant_families; ++f) to.output_weights[f] += w.weights[f];
  };
  add_output(work[devices.back()], plan.kinds[plan.kind_of.back()].dense);
  add_output(work.back(), plan.kinds[plan.kind_of.back()].kept_dense);
  const auto share = expert_share(model);
  const auto add = [](TokenWork& to, const WeightWork& w, double n_layers, double active) {
    for (std::size_t f = 0; f < k_quant_families; ++f) {
      to.bytes[f] += n_layers * active * w.bytes[f];
      to.weights[f] += n_layers * active * w.weights[f];
      to.resident_bytes += n_layers * w.bytes[f];
    }
  };
  auto& host = work.back();
  host.streamable = !plan.any_kept();
  for (std::size_t device = 0; device < work.size(); ++device) {
    auto& own = work[device];
    for (std::size_t kind = 0; kind < n_kinds; ++kind) {
      const auto& layer = plan.kinds[kind];
      const auto add_experts = [&](TokenWork& to, const WeightWork& w, double n) {
        add(to, w, n, share);
        for (const auto weights : w.weights) to.expert_weights += n * share * weights;
      };
      if (const double n = dense.on(device, kind); n > 0) {
        add(own, layer.dense, n, 1);
        if (layer.any_kept) add(host, layer.kept_dense, n, 1);
      }
      if (const double n = experts.on(device, kind); n > 0) {
        add_experts(own, layer.experts, n);
        if (layer.any_kept) add_experts(host, layer.kept_experts, n);
      }
    }
  }
}

/// Tokens of cache that one new token reads in a layer.
double tokens_read(const ModelSpec& model, const CacheTensor& t, std::uint32_t depth, double cells_per_token)
{
  double n = depth;
  if (t.swa && model.swa) n = std::min<double>(n, model.swa->window);
  const bool sparse = t.kind == CacheKind::k && model.mla && model.mla->indexer_top_k > 0;
  if (sparse) n = std::min<double>(n, model.mla->indexer_top_k);
  return std::min(n * cells_per_token, static_cast<double>(t.ne[1]));
}

void add_caches(std::vector<TokenWork>& work, const ModelSpec& model, const CacheLayers& caches, const Workload& workload,
                const std::vector<std::size_t>& devices, std::uint32_t depth)
{
  const auto shape = resolve(workload, model);
  const LayerCounts layers(caches.kind_of, caches.firsts.size(), work.size(), [&](std::uint32_t il) { return devices[il]; });
  for (const auto& t : caches.tensors) {
    const auto bytes = static_cast<double>(row_size(t.type, t.ne[0]).count);
    const auto cells_per_token = t.kind == CacheKind::compressed && shape.n_ctx_seq > 0
                                     ? std::min(1.0, static_cast<double>(t.ne[1]) / shape.n_ctx_seq)
                                     : 1.0;
    const auto cells = tokens_read(model, t, depth, cells_per_token);
    // Scores and weighted sum: 2 multiply-adds for each query head and element of its key.
    const bool scored = t.kind == CacheKind::k || t.kind == CacheKind::compressed;
    const double width = model.mla ? static_cast<double>(t.ne[0]) : static_cast<double>(model.head_dim_k);
    const double flops = scored ? 4.0 * static_cast<double>(model.n_head(t.layer)) * width : 0;
    for (std::size_t device = 0; device < work.size(); ++device) {
      const double n = layers.on(device, caches.kind_of[t.layer]);
      if (t.is_state()) {  // read and written, one sequence
        work[device].cache_bytes += n * 2.0 * bytes;
        continue;
      }
      auto& w = workload.offload_kqv ? work[device] : work.back();
      w.cache_bytes += n * cells * bytes;
      w.attention_flops += n * flops * cells;
      if (depth > 0) w.attention_flops_token += n * flops * cells / depth;
    }
  }
}

}  // namespace

std::vector<TokenWork> token_work(const ModelSpec& model, const PlanWork& plan, const CacheLayers& caches,
                                  const Workload& workload, const Placement& placement, std::uint32_t depth)
{
  std::vector<TokenWork> work(placement.gpus.size() + 1);
  for (auto& w : work) w.expert_share = expert_share(model);
  const auto devices = devices_of_layers(model, placement);
  add_weights(work, model, plan, placement, devices);
  add_caches(work, model, caches, workload, devices, depth);
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    auto& w = work[devices[il]];
    const auto& layer = plan.facts[il];
    w.layers += layer.blocks;
    if (layer.recurrent) w.recurrent_layers += 1;
    if (layer.moe) (placement.experts_on_host(il) ? work.back() : w).moe_layers += 1;
    const bool visits = (layer.moe && placement.experts_on_host(il)) || plan.kinds[plan.kind_of[il]].any_kept;
    if (visits && devices[il] < placement.gpus.size()) work.back().visits += 1;
  }
  return work;
}

}  // namespace canirun
