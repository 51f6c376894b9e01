#include <algorithm>

#include "graph/backend_rules.hpp"
#include "placement_search.hpp"

namespace canirun {

bool is_hopeless(const Machine& machine, Bytes loaded)
{
  auto room = machine.host_budget;
  for (const auto g : machine.gpus) room += std::min(machine.gpu_budget[g], machine.gpu_own[g]);
  return loaded > room;
}

std::optional<Bytes> scores_beyond_buffer(const ModelSpec& model, const Workload& workload, const Placement& placement,
                                          const MemoryEstimate& memory)
{
  if (memory.flash_attn || !memory.caches_known || placement.gpus.empty() || placement.n_gpu_layers == 0) return std::nullopt;
  std::uint64_t heads = 0;
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    if (model.n_head_kv(il) > 0) heads = std::max<std::uint64_t>(heads, model.n_head(il));
  }
  const auto shape = resolve(workload, model);
  const Bytes scores{4 * heads * shape.n_ctx_seq * shape.n_ubatch};
  return scores.count > max_tensor_size(placement.backend) ? std::optional(scores) : std::nullopt;
}

Headroom room_of(const Subject& subject, const Workload& workload, const Placement& placement, const MemoryEstimate& memory)
{
  auto room = headroom(subject.machine, placement, memory);
  if (const auto scores = scores_beyond_buffer(subject.model, workload, placement, memory)) {
    const auto most = static_cast<double>(max_tensor_size(placement.backend));
    room.gpu_share = std::min(room.gpu_share, (most - static_cast<double>(scores->count)) / most);
    room.share = std::min(room.share, room.gpu_share);
  }
  return room;
}

Trial try_placement(const Subject& subject, Placement placement)
{
  Trial trial;
  trial.memory = subject.memory.estimate(subject.workload, placement);
  trial.room = room_of(subject, subject.workload, placement, trial.memory);
  trial.fits = trial.room.share >= 0;
  auto workload = subject.workload;
  if (!trial.memory.flash_attn) workload.flash_attn = FlashAttention::off;
  const auto& work = subject.memory.work(placement.backend);
  trial.speed = estimate_speed(subject.model, work, subject.memory.caches(subject.workload), workload, placement,
                               *subject.machine.hardware);
  if (work.any_kept() && placement.mode == Placement::Mode::gpu) placement.mode = Placement::Mode::split;
  const auto tps = trial.speed.generation_tps ? std::optional(trial.speed.generation_tps->estimate) : std::nullopt;
  trial.grade = make_grade(trial.room.share, tps, placement.mode != Placement::Mode::gpu, subject.speed_applies());
  trial.placement = std::move(placement);
  return trial;
}

}  // namespace canirun
