#pragma once

#include <optional>
#include <vector>

#include "canirun/core/grade.hpp"
#include "canirun/core/memory.hpp"
#include "canirun/core/speed.hpp"
#include "machine.hpp"
#include "memory_cache.hpp"

/// \file
/// Finds where the layers and experts of one file go (docs/grading.md, "Placement").

namespace canirun {

/// One way to run a model, measured by the chain: memory, headroom, speed, grade.
struct Trial {
  Placement placement;
  MemoryEstimate memory;
  Headroom room;
  SpeedEstimate speed;
  Grade grade;
  bool fits = false;
};

/// What stays the same over all trials of one file.
struct Subject {
  const ModelSpec& model;
  const TensorPlan& plan;
  const Machine& machine;
  Workload workload;
  MemoryCache& memory;  ///< Of the same model and workload.

  std::uint32_t n_layer_all() const { return model.n_layer + model.n_layer_nextn; }
  bool speed_applies() const { return model.kind == ModelKind::text || model.kind == ModelKind::audio; }
};

/// The attention scores of one micro-batch (heads · cells · tokens · 4 bytes, without flash attention only) where no buffer of the backend
/// holds them. Vulkan's are 4 GiB at most: a release before 2025-10 stops with "out of memory" (llama.cpp issue 15009, pull request 15815), later
/// ones compute attention on the CPU (ggml-vulkan.cpp: ggml_backend_vk_device_supports_op).
std::optional<Bytes> scores_beyond_buffer(const ModelSpec& model, const Workload& workload, const Placement& placement,
                                          const MemoryEstimate& memory);

/// What a placement leaves free; less than nothing where the backend has no buffer for the scores.
Headroom room_of(const Subject& subject, const Workload& workload, const Placement& placement, const MemoryEstimate& memory);

/// Memory, fit, speed and grade of one placement.
Trial try_placement(const Subject& subject, Placement placement);

/// Whether the weights alone are more than all devices together may hold: no placement fits.
bool is_hopeless(const Machine& machine, Bytes loaded);

/// The best automatic placement, or the stated one. When nothing fits, the trial that misses by the least share, Mode::none.
Trial find_placement(const Subject& subject, const PlacementRequest& request);

/// The largest multiple of 256 tokens up to the trained context that fits with this placement; nothing when none does.
std::optional<std::uint32_t> max_context(const Subject& subject, const Trial& trial);

}  // namespace canirun
