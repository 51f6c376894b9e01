#pragma once

#include <cstdint>
#include <vector>

#include "canirun/core/placement.hpp"
#include "graph/fusion.hpp"
#include "graph/graph.hpp"

/// \file
/// Which device runs which operation of a graph, and what must be copied between devices: ggml's scheduler
/// (ggml-backend.cpp: ggml_backend_sched_split_graph) on shapes alone. Devices are numbered: GPUs from 0, then the host.

namespace canirun {

/// What the scheduler knows of a run besides the graph.
struct ScheduleRequest {
  Backend backend = Backend::cpu;  ///< Of the GPUs.
  std::size_t n_gpus = 0;
  std::vector<std::int8_t> layer_device;  ///< Of each layer, the output layer last.
  std::uint32_t n_cpu_moe = 0;            ///< Experts of so many layers are in RAM.
  std::vector<std::int8_t> weight_host;   ///< Of each tensor of the plan: 1 = in RAM whatever its layer's device. Empty = none.
  bool embedding_twice = false;           ///< A tied embedding is two tensors even where both are in RAM.
  bool offload_kqv = true;                ///< Caches live with their layers.
  bool full_offload = false;              ///< Every layer and the output are on GPUs.
  bool small_batch = false;               ///< Fewer than 32 tokens.
  /// Nodes that llama.cpp puts on a device itself (NodeTag). They decide about flash attention; the measurement of compute buffers
  /// without allocation forgets them (ggml_backend_sched_reserve_size resets the scheduler first), and is never smaller for it.
  bool tags = false;
  bool pipeline = false;  ///< Four copies of everything that crosses devices (several GPUs, full offload).
};

/// An allocation step: a tensor on a device.
struct Step {
  std::int32_t tensor = -1;
  std::int8_t device = -1;
};

/// The graph as it will be allocated. `tensors` begins with the graph's own; copies follow.
struct Schedule {
  Backend backend = Backend::cpu;
  std::size_t n_gpus = 0;
  std::vector<GraphTensor> tensors;
  std::vector<std::int32_t> nodes;  ///< The graph's.
  std::size_t n_own = 0;              ///< Of `tensors`, those of the graph.
  std::vector<std::int32_t> copy_of;  ///< Of each of the others: the tensor that it copies or waits for.
  std::vector<std::int8_t> home;    ///< Device of a tensor with a buffer of its own (weights, caches), else −1.
  std::vector<std::int8_t> device;  ///< Of each tensor.
  std::vector<Step> leafs;
  std::vector<Step> steps;
  std::size_t n_splits = 0;
};

/// Schedules graphs; keeps its memory between calls. A graph gives its tensors and nodes away: the schedule has them then.
class Scheduler {
 public:
  const Schedule& run(Graph& graph, const ScheduleRequest& request);
  /// The first half only: the device of each operation, without splits and copies.
  const Schedule& assign(Graph& graph, const ScheduleRequest& request);

 private:
  struct Split {
    std::size_t begin = 0, end = 0;  ///< Into the nodes.
    std::int8_t device = -1;
    std::vector<std::int32_t> inputs;
  };

  std::int8_t host() const { return static_cast<std::int8_t>(request_->n_gpus); }
  bool can_run(std::int8_t device, std::int32_t id) const;
  bool readable(std::int32_t id, std::int8_t device) const;
  bool is_weight(std::int32_t id) const;
  void place_leafs(const Graph& graph);
  void merge_duplicates(const Graph& graph);
  std::int8_t device_by_data(std::int32_t id) const;
  void expand(bool down, bool gpus_only);
  void assign_rest();
  void follow_views();
  void split();
  std::int32_t append(const GraphTensor& t, std::int8_t device, std::int32_t copy_of);
  std::int32_t copy_for(std::int32_t id, std::int8_t device, Split& split);
  void lay_out();

  const ScheduleRequest* request_ = nullptr;
  Schedule out_;
  std::vector<Split> splits_;
  std::size_t n_splits_ = 0;
  std::vector<std::int32_t> copies_;        ///< By tensor and device: its first copy, or −1.
  std::vector<std::int32_t> graph_inputs_;  ///< Pipeline: inputs that are kept several times.
  std::vector<std::int32_t> use_count_;     ///< How often each tensor is a source.
  KeptTensors kept_;
  std::vector<std::int32_t> first_of_;  ///< By weight and device: the leaf that stands for all.
};

}  // namespace canirun
