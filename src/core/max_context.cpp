#include <algorithm>

#include "placement_search.hpp"

namespace canirun {

namespace {

// Context sizes are padded to this many cells (llama-context.cpp).
constexpr std::uint32_t k_context_step = 256;
// Guesses before every context takes a graph.
constexpr int k_guesses = 4;

/// Changes the compute buffer of each device; `change(bytes, i)`: its new size, devices as the scheduler numbers them.
template <typename Change>
MemoryEstimate with_compute(MemoryEstimate memory, Change change)
{
  for (std::size_t i = 0; i < memory.gpus.size(); ++i) memory.gpus[i].compute = change(memory.gpus[i].compute, i);
  memory.host.compute = change(memory.host.compute, memory.gpus.size());
  return memory;
}

/// Nothing where the family has no graph here.
Bytes part_of(std::span<const Bytes> devices, std::size_t i) { return i < devices.size() ? devices[i] : Bytes{}; }

/// `share` of the way from `a` to `b`.
Bytes between(Bytes a, Bytes b, double share)
{
  const auto low = static_cast<double>(a.count), high = static_cast<double>(b.count);
  return {static_cast<std::uint64_t>(std::max(0.0, low + (high - low) * share))};
}

Bytes scaled(Bytes bytes, double factor)
{
  return {static_cast<std::uint64_t>(static_cast<double>(bytes.count) * factor)};
}

/// Whether a placement fits at other contexts. Most of what grows with the context is caches, which are exact without a graph; compute
/// buffers follow from those of the contexts that a graph is known for.
class ContextFit {
 public:
  ContextFit(const Subject& subject, const Trial& trial)
      : s_(subject), placement_(trial.placement), devices_(schedule_request(s_.model, s_.workload, placement_))
  {
    const auto shape = resolve(s_.workload, s_.model);
    known_.push_back({shape.n_ctx, shape.n_ubatch, trial.memory});
  }

  /// By a graph of its own.
  bool exactly(std::uint32_t n_ctx)
  {
    const auto workload = workload_at(n_ctx);
    const auto shape = resolve(workload, s_.model);
    const auto after = std::ranges::find_if(known_, [&](const Known& k) { return k.n_ctx >= shape.n_ctx; });
    const auto& graph = s_.memory.graph(workload, devices_);
    auto memory = with_compute(at(workload), [&](Bytes, std::size_t i) { return part_of(graph.compute, i); });
    memory.flash_attn = graph.flash_attn;
    const auto& known = *known_.insert(after, {shape.n_ctx, shape.n_ubatch, std::move(memory)});
    return fits(workload, known.memory);
  }

  /// Without a graph: true where even what must be alive at once, as at `fitting` tokens, leaves no room at `n_ctx`, which is more:
  /// what is alive at once only grows with the context.
  bool cannot(std::uint32_t n_ctx, std::uint32_t fitting)
  {
    const auto workload = workload_at(n_ctx), shorter = workload_at(fitting);
    if (resolve(workload, s_.model).n_ubatch != resolve(shorter, s_.model).n_ubatch) return false;
    const auto& graph = s_.memory.graph(shorter, devices_);
    auto memory = with_compute(at(workload), [&](Bytes, std::size_t i) { return part_of(graph.alive, i); });
    memory.flash_attn = graph.flash_attn;
    return !fits(workload, memory);
  }

  /// Without a graph where the buffers may be as large as the context, or no larger than now, and it makes no difference: one that a
  /// longer context shrinks (better gaps between its tensors) is not counted on. Vulkan's blocks of scores grow in steps: there no
  /// bound holds.
  bool surely(std::uint32_t n_ctx)
  {
    const auto workload = workload_at(n_ctx);
    const auto shape = resolve(workload, s_.model);
    const auto& now = known_.front();
    const bool steps = placement_.backend == Backend::vulkan && !now.memory.flash_attn;
    if (!steps && shape.n_ubatch == now.n_ubatch && shape.n_ctx >= now.n_ctx) {
      const auto like = at(workload);
      const auto factor = static_cast<double>(shape.n_ctx) / now.n_ctx;
      if (fits(workload, with_compute(like, [&](Bytes compute, std::size_t) { return scaled(compute, factor); }))) return true;
      if (!fits(workload, like)) return false;
    }
    return exactly(n_ctx);
  }

  /// A guess of the share of the budget that stays free, below 0 where it does not fit: between two contexts that are known buffers
  /// grow evenly.
  double probable_room(std::uint32_t n_ctx) const
  {
    const auto workload = workload_at(n_ctx);
    const auto shape = resolve(workload, s_.model);
    const Known *below = nullptr, *above = nullptr, *before_below = nullptr;
    for (const auto& k : known_) {
      if (k.n_ubatch != shape.n_ubatch) continue;
      if (k.n_ctx > shape.n_ctx) {
        above = &k;
        break;
      }
      before_below = below;
      below = &k;
    }
    const auto* from = below ? below : above ? above : &known_.front();
    const auto* to = below && above ? above : before_below ? before_below : from;
    auto like = s_.memory.at_context(from->memory, workload, devices_);
    if (from == to) return room(workload, like);
    const auto share = (static_cast<double>(shape.n_ctx) - from->n_ctx) / (static_cast<double>(to->n_ctx) - from->n_ctx);
    return room(workload, with_compute(std::move(like), [&](Bytes compute, std::size_t i) {
                  const auto& parts = i < to->memory.gpus.size() ? to->memory.gpus[i] : to->memory.host;
                  return between(compute, parts.compute, share);
                }));
  }

 private:
  struct Known {
    std::uint32_t n_ctx = 0, n_ubatch = 0;
    MemoryEstimate memory;
  };

  Workload workload_at(std::uint32_t n_ctx) const
  {
    auto workload = s_.workload;
    workload.n_ctx = n_ctx;
    return workload;
  }
  /// As it was graded, but for the caches.
  MemoryEstimate at(const Workload& workload) const { return s_.memory.at_context(known_.front().memory, workload, devices_); }
  double room(const Workload& workload, const MemoryEstimate& memory) const
  {
    return room_of(s_, workload, placement_, memory).share;
  }
  bool fits(const Workload& workload, const MemoryEstimate& memory) const { return room(workload, memory) >= 0; }

  const Subject& s_;
  const Placement& placement_;
  const ScheduleRequest devices_;
  std::vector<Known> known_;  ///< By context.
};

/// The largest number of steps below `end` with room, or 0; room shrinks about evenly from step to step. `now` is looked at first: a
/// smaller context that streams pad may have had a smaller micro-batch.
template <typename Room>
std::uint32_t largest_by_room(std::uint32_t now, std::uint32_t end, Room room)
{
  struct At {
    std::uint32_t steps;
    double room;
  };
  At low{0, 1}, high{end, -1};
  const auto look = [&](std::uint32_t steps) {
    const At at{steps, room(steps)};
    (at.room >= 0 ? low : high) = at;
  };
  if (now > 0) look(now);
  for (int i = 0; high.steps - low.steps > 1; ++i) {
    const auto width = high.steps - low.steps;
    // Where a line through both ends crosses 0; halves see to it that it ends.
    const auto share = i % 3 == 2 ? 0.5 : low.room / (low.room - high.room);
    look(low.steps + std::clamp(static_cast<std::uint32_t>(share * width), 1u, width - 1));
  }
  return low.steps;
}

}  // namespace

std::optional<std::uint32_t> max_context(const Subject& subject, const Trial& trial)
{
  ContextFit fits(subject, trial);
  const auto most = subject.model.n_ctx_train / k_context_step;
  if (most == 0) return trial.fits ? std::optional(subject.model.n_ctx_train) : std::nullopt;
  if (fits.surely(most * k_context_step)) return most * k_context_step;
  const auto now = std::min(most - 1, resolve(subject.workload, subject.model).n_ctx / k_context_step);
  const auto context = [](std::uint32_t steps) { return steps > 0 ? std::optional(steps * k_context_step) : std::nullopt; };
  const auto exactly = [&](std::uint32_t steps) { return fits.exactly(steps * k_context_step); };
  // Each guess that was wrong is known from then on.
  for (int i = 0; i < k_guesses; ++i) {
    const auto low = largest_by_room(now, most, [&](std::uint32_t steps) { return fits.probable_room(steps * k_context_step); });
    if (low > 0 && !exactly(low)) continue;
    if ((low > 0 && fits.cannot((low + 1) * k_context_step, low * k_context_step)) || !exactly(low + 1)) return context(low);
  }
  return context(largest_by_room(now, most, [&](std::uint32_t steps) { return exactly(steps) ? 1.0 : -1.0; }));
}

}  // namespace canirun
