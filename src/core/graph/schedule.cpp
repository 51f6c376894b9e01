#include "graph/schedule.hpp"

#include <algorithm>

#include "graph/backend_rules.hpp"
#include "graph/fusion.hpp"

namespace canirun {
namespace {

constexpr int k_pipeline_copies = 4;  // ggml-backend.cpp: GGML_SCHED_MAX_COPIES

bool is_view_op(Op op)
{
  return op == Op::none || op == Op::view || op == Op::reshape || op == Op::permute || op == Op::transpose;
}

std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }

}  // namespace

bool Scheduler::is_weight(std::int32_t id) const { return out_.tensors[at(id)].leaf == Leaf::weight; }

/// supports_op: CUDA also refuses what lies on another of its devices.
bool Scheduler::can_run(std::int8_t device, std::int32_t id) const
{
  const auto& t = out_.tensors[at(id)];
  if (device == host()) return supports(Backend::cpu, out_.tensors, t);
  if (request_->n_gpus > 1) {
    for (const auto src : t.sources()) {
      if (src < 0) continue;
      const auto home = out_.home[at(src)];
      if (home >= 0 && home != host() && home != device) return false;
    }
  }
  return supports(request_->backend, out_.tensors, t);
}

/// ggml_backend_sched_buffer_supported: the tensor is, or will be, in memory that the device reads.
bool Scheduler::readable(std::int32_t id, std::int8_t device) const
{
  const auto& t = out_.tensors[at(id)];
  const auto home = out_.home[at(t.view_src >= 0 ? t.view_src : id)];
  if (home >= 0) return home == device;
  auto where = out_.device[at(id)];
  if (where < 0 && t.view_src >= 0) where = out_.device[at(t.view_src)];
  return where == device;
}

void Scheduler::place_leafs(const Graph& graph)
{
  for (const auto id : graph.leafs) {
    const auto& t = out_.tensors[at(id)];
    auto& home = out_.home[at(id)];
    switch (t.leaf) {
      case Leaf::weight: {
        const bool in_ram =
            t.layer < 0 || (t.weight >= 0 && at(t.weight) < request_->weight_host.size() && request_->weight_host[at(t.weight)]);
        home = in_ram ? host() : request_->layer_device[at(t.layer)];
        break;
      }
      case Leaf::kv_cache:
      case Leaf::recurrent_state: home = request_->offload_kqv ? request_->layer_device[at(t.layer)] : host(); break;
      case Leaf::none:
      case Leaf::input: break;
    }
  }
}

/// A weight that several layers of one device name (rope factors, a tied embedding) is one tensor there
/// (llama-model-loader.cpp: TENSOR_DUPLICATED).
void Scheduler::merge_duplicates(const Graph& graph)
{
  const auto stands_alone = [&](std::int32_t id) { return request_->embedding_twice && out_.tensors[at(id)].layer < 0; };
  first_of_.clear();
  bool merged = false;
  for (const auto id : graph.leafs) {
    const auto weight = out_.tensors[at(id)].weight;
    if (weight < 0 || stands_alone(id)) continue;
    const auto slot = at(weight) * (request_->n_gpus + 1) + at(out_.home[at(id)]);
    if (slot >= first_of_.size()) first_of_.resize(slot + 1, -1);
    if (first_of_[slot] < 0) first_of_[slot] = id;
    else merged = true;
  }
  if (!merged) return;
  for (const auto id : out_.nodes) {
    for (auto& src : out_.tensors[at(id)].sources()) {
      if (src < 0 || out_.tensors[at(src)].weight < 0 || stands_alone(src)) continue;
      src = first_of_[at(out_.tensors[at(src)].weight) * (request_->n_gpus + 1) + at(out_.home[at(src)])];
    }
  }
}

/// ggml_backend_sched_backend_id_from_cur.
std::int8_t Scheduler::device_by_data(std::int32_t id) const
{
  const auto& t = out_.tensors[at(id)];
  const auto home = out_.home[at(t.view_src >= 0 ? t.view_src : id)];
  if (home >= 0) return home;
  if (t.is_input) return host();
  if (t.op == Op::rope || t.op == Op::flash_attn_ext) return -1;  // their weights are too small to decide
  for (const auto src : t.sources()) {
    if (src < 0 || !is_weight(src)) continue;
    const auto where = out_.home[at(src)];
    if (!can_run(where, id)) return -1;
    if (where == host()) {
      for (std::int8_t gpu = 0; gpu < host(); ++gpu) {
        if (can_run(gpu, id) && takes_over(out_.tensors, t)) return gpu;
      }
    }
    return where;
  }
  return -1;
}

/// Gives operations without a device that of their neighbour, walking down or up; `gpus_only` stops at the host's.
void Scheduler::expand(bool down, bool gpus_only)
{
  std::int8_t current = -1;
  const auto visit = [&](std::int32_t id) {
    if (is_view_op(out_.tensors[at(id)].op)) return;
    auto& device = out_.device[at(id)];
    if (device >= 0) {
      current = gpus_only && device == host() ? std::int8_t{-1} : device;
    } else if (current >= 0 && can_run(current, id)) {
      device = current;
    }
  };
  if (down) std::for_each(out_.nodes.begin(), out_.nodes.end(), visit);
  else std::for_each(out_.nodes.rbegin(), out_.nodes.rend(), visit);
}

/// What no neighbour could run goes where most of its sources are.
void Scheduler::assign_rest()
{
  for (const auto id : out_.nodes) {
    const auto& t = out_.tensors[at(id)];
    if (is_view_op(t.op) || out_.device[at(id)] >= 0) continue;
    int best = -1;
    for (std::int8_t device = 0; device <= host(); ++device) {
      if (!can_run(device, id)) continue;
      int n = 0;
      for (const auto src : t.sources()) {
        if (src < 0) continue;
        const auto root = out_.tensors[at(src)].view_src;
        const bool known = out_.device[at(src)] >= 0 || (root >= 0 && out_.device[at(root)] >= 0);
        if (known && readable(src, device)) ++n;
      }
      if (n > best) {
        best = n;
        out_.device[at(id)] = device;
      }
    }
  }
}

/// Views are where their source is; other sources without a device where they are used.
void Scheduler::follow_views()
{
  for (const auto id : out_.nodes) {
    const auto& t = out_.tensors[at(id)];
    auto& own = out_.device[at(id)];
    if (t.view_src >= 0 && own < 0) own = out_.device[at(t.view_src)];
    for (const auto src : t.sources()) {
      if (src < 0 || out_.device[at(src)] >= 0) continue;
      const auto root = out_.tensors[at(src)].view_src;
      out_.device[at(src)] = root >= 0 ? out_.device[at(root)] : own;
    }
    for (std::int8_t device = 0; device <= host() && own < 0; ++device) {
      if (can_run(device, id)) own = device;
    }
  }
}

const Schedule& Scheduler::assign(Graph& graph, const ScheduleRequest& request)
{
  request_ = &request;
  out_.backend = request.backend;
  out_.n_gpus = request.n_gpus;
  out_.tensors.swap(graph.tensors);
  out_.nodes.swap(graph.nodes);
  out_.n_own = out_.tensors.size();
  out_.copy_of.clear();
  out_.home.assign(out_.n_own, -1);
  out_.device.assign(out_.n_own, -1);
  place_leafs(graph);
  merge_duplicates(graph);
  if (request.n_gpus == 0) {  // nothing to choose: the host runs all
    out_.device.assign(out_.n_own, host());
    return out_;
  }

  // Nodes that llama.cpp puts on a device itself (llama-context.cpp: graph_get_cb; llama-graph.cpp: build_attn_mha).
  for (const auto id : out_.nodes) {
    const auto& t = out_.tensors[at(id)];
    if (!request.tags) break;
    if (t.tag == NodeTag::on_cpu) out_.device[at(id)] = host();
    if ((t.tag == NodeTag::norm || t.tag == NodeTag::l_last) && (request.full_offload || request.small_batch)) {
      const auto device = request.layer_device[at(t.layer)];
      if (can_run(device, id)) out_.device[at(id)] = device;
    }
  }
  for (const auto id : graph.leafs) out_.device[at(id)] = device_by_data(id);
  for (const auto id : out_.nodes) {
    if (out_.device[at(id)] < 0) out_.device[at(id)] = device_by_data(id);
  }
  if (request.n_gpus > 0) {
    expand(true, true);
    expand(false, true);
  }
  expand(true, false);
  expand(false, false);
  assign_rest();
  follow_views();
  return out_;
}

/// A tensor that the graph itself does not have.
std::int32_t Scheduler::append(const GraphTensor& t, std::int8_t device, std::int32_t copy_of)
{
  out_.tensors.push_back(t);
  out_.home.push_back(-1);
  out_.device.push_back(device);
  out_.copy_of.push_back(copy_of);
  return static_cast<std::int32_t>(out_.tensors.size()) - 1;
}

std::int32_t Scheduler::copy_for(std::int32_t id, std::int8_t device, Split& split)
{
  auto& first = copies_[at(id) * (request_->n_gpus + 1) + at(device)];
  if (first >= 0) return first;
  const auto n = request_->pipeline ? k_pipeline_copies : 1;
  first = static_cast<std::int32_t>(out_.tensors.size());
  for (int c = 0; c < n; ++c) {
    GraphTensor copy;
    copy.type = out_.tensors[at(id)].type;
    copy.ne = out_.tensors[at(id)].ne;
    copy.nb = out_.tensors[at(id)].nb;
    copy.is_input = copy.is_output = request_->pipeline;
    append(copy, device, id);
  }
  split.inputs.push_back(id);
  return first;
}

/// Cuts the order where the device changes, and where a weight from elsewhere would have to be held beside an earlier one.
void Scheduler::split()
{
  const auto n_devices = request_->n_gpus + 1;
  copies_.assign(out_.n_own * n_devices, -1);
  graph_inputs_.clear();
  n_splits_ = 0;
  const auto open = [&](std::size_t begin, std::int8_t device) -> Split& {
    if (n_splits_ == splits_.size()) splits_.emplace_back();
    auto& s = splits_[n_splits_++];
    s.begin = begin;
    s.device = device;
    s.inputs.clear();
    return s;
  };
  if (request_->n_gpus == 0) {  // one device: no cut, no copy
    open(0, host()).end = out_.nodes.size();
    return;
  }
  std::size_t i = 0;
  while (i < out_.nodes.size() && is_view_op(out_.tensors[at(out_.nodes[i])].op)) ++i;
  if (i == out_.nodes.size()) return;
  auto* current = &open(0, out_.device[at(out_.nodes[i])]);
  for (; i < out_.nodes.size(); ++i) {
    const auto id = out_.nodes[i];
    if (is_view_op(out_.tensors[at(id)].op)) continue;
    const auto device = out_.device[at(id)];
    bool cut = device != current->device;
    if (!cut && !current->inputs.empty()) {
      for (const auto src : out_.tensors[at(id)].sources()) {
        if (src < 0 || !is_weight(src)) continue;
        if (out_.device[at(src)] != current->device && !readable(src, current->device)) cut = true;
      }
    }
    if (cut) {
      current->end = i;
      current = &open(i, device);
    }
    for (std::size_t j = 0; j < out_.tensors[at(id)].n_src; ++j) {
      const auto src = out_.tensors[at(id)].src[j];
      if (src < 0 || at(src) >= out_.n_own) continue;
      if (request_->pipeline && out_.tensors[at(src)].is_input) {
        auto& own = copies_[at(src) * n_devices + at(out_.device[at(src)])];
        if (own < 0) {
          own = static_cast<std::int32_t>(out_.tensors.size());
          for (int c = 1; c < k_pipeline_copies; ++c) {
            GraphTensor copy = out_.tensors[at(src)];
            copy.leaf = Leaf::none;
            copy.is_input = copy.is_output = true;
            append(copy, out_.device[at(src)], src);
          }
          out_.tensors[at(src)].is_output = true;
          graph_inputs_.push_back(src);
        }
      }
      if (out_.device[at(src)] != current->device && !readable(src, current->device)) {
        const auto copy = copy_for(src, current->device, *current);
        out_.tensors[at(id)].src[j] = copy;
      }
    }
  }
  current->end = out_.nodes.size();
}

/// The order of allocation: the inputs of a split before it, what fused kernels still read kept until they are done.
void Scheduler::lay_out()
{
  const auto n_devices = request_->n_gpus + 1;
  out_.steps.clear();
  out_.leafs.clear();
  out_.n_splits = n_splits_;
  if (request_->n_gpus == 0) {
    out_.steps.reserve(out_.nodes.size());
    for (const auto id : out_.nodes) out_.steps.push_back({id, host()});
    return;
  }
  kept_.reset(out_.n_own);
  for (std::size_t i = 0; i < n_splits_; ++i) {
    if (splits_[i].device == host()) continue;
    const SplitView view{out_.tensors, use_count_, out_.nodes, splits_[i].begin, splits_[i].end};
    if (request_->backend == Backend::vulkan) optimize_for_vulkan(view, kept_);
  }
  const auto dependency = [&](std::span<const std::int32_t> on, std::int32_t root, std::int8_t device) {
    GraphTensor t;  // a view that only keeps its sources alive: ggml_view_tensor with no operation
    t.view_src = out_.tensors[at(root)].view_src >= 0 ? out_.tensors[at(root)].view_src : root;
    for (std::size_t i = 0; i < on.size(); ++i) t.set_src(i, on[i]);
    out_.steps.push_back({append(t, device, on.front()), device});
  };
  for (std::size_t s = 0; s < n_splits_; ++s) {
    const auto& split = splits_[s];
    for (const auto input : split.inputs) {
      dependency(std::span(&input, 1), input, out_.device[at(input)]);
      out_.steps.push_back({copies_[at(input) * n_devices + at(split.device)], split.device});
    }
    for (auto i = split.begin; i < split.end; ++i) {
      out_.steps.push_back({out_.nodes[i], out_.device[at(out_.nodes[i])]});
      const auto tensors = kept_.until(out_.nodes[i]);
      for (std::size_t k = 0; k < tensors.size(); k += 10) {
        dependency(tensors.subspan(k, std::min<std::size_t>(10, tensors.size() - k)), tensors[k], split.device);
      }
    }
  }
  if (request_->pipeline) {
    for (const auto input : graph_inputs_) {
      const auto device = out_.device[at(input)];
      const auto first = copies_[at(input) * n_devices + at(device)];
      out_.leafs.push_back({input, device});
      for (int c = 0; c < k_pipeline_copies - 1; ++c) out_.leafs.push_back({first + c, device});
    }
    for (std::size_t s = 0; s < n_splits_; ++s) {
      for (const auto input : splits_[s].inputs) {
        const auto first = copies_[at(input) * n_devices + at(splits_[s].device)];
        for (int c = 0; c < k_pipeline_copies; ++c) out_.leafs.push_back({first + c, splits_[s].device});
      }
    }
  }
}

const Schedule& Scheduler::run(Graph& graph, const ScheduleRequest& request)
{
  assign(graph, request);
  if (request.n_gpus > 0) {  // what fusion looks at
    use_count_.assign(out_.n_own, 0);
    for (const auto id : out_.nodes) {
      for (const auto src : out_.tensors[at(id)].sources()) {
        if (src >= 0) ++use_count_[at(src)];
      }
    }
  }
  split();
  lay_out();
  for (const auto id : graph.leafs) out_.leafs.push_back({id, out_.device[at(id)]});
  return out_;
}

}  // namespace canirun
