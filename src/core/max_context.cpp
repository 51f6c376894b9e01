#include <algorithm>

#include "placement_search.hpp"

namespace canirun {

namespace {

// Context sizes are padded to this many cells (llama-context.cpp).
constexpr std::uint32_t k_context_step = 256;
// Guesses before every context takes a graph.
constexpr int k_guesses = 4;

/// Compute buffers of an estimate, `share` of the way from those of `a` to those of `b`.
MemoryEstimate between(MemoryEstimate a, const MemoryEstimate& b, double share)
{
  const auto mix = [&](Bytes& from, Bytes to) {
    const auto low = static_cast<double>(from.count), high = static_cast<double>(to.count);
    from.count = static_cast<std::uint64_t>(std::max(0.0, low + (high - low) * share));
  };
  for (std::size_t i = 0; i < a.gpus.size(); ++i) mix(a.gpus[i].compute, b.gpus[i].compute);
  mix(a.host.compute, b.host.compute);
  return a;
}

MemoryEstimate with_compute(MemoryEstimate memory, double factor)
{
  const auto scale = [&](Bytes& b) { b.count = static_cast<std::uint64_t>(static_cast<double>(b.count) * factor); };
  for (auto& gpu : memory.gpus) scale(gpu.compute);
  scale(memory.host.compute);
  return memory;
}

/// Whether a placement fits at other contexts. Most of what grows with the context is caches, which are exact without a graph; compute
/// buffers follow from those of the contexts that a graph is known for.
class ContextFit {
 public:
  ContextFit(const Subject& subject, const Trial& trial) : s_(subject), placement_(trial.placement)
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
    const auto& known = *known_.insert(after, {shape.n_ctx, shape.n_ubatch, s_.memory.estimate(workload, placement_)});
    return fits(workload, known.memory);
  }

  /// Without a graph: true where even what must be alive at once, as at `fitting` tokens, leaves no room at `n_ctx`, which is more.
  bool cannot(std::uint32_t n_ctx, std::uint32_t fitting)
  {
    const auto workload = workload_at(n_ctx), shorter = workload_at(fitting);
    if (resolve(workload, s_.model).n_ubatch != resolve(shorter, s_.model).n_ubatch) return false;
    return !fits(workload, s_.memory.at_least(workload, placement_, shorter));
  }

  /// Without a graph where the buffers may be as large as the context, or no larger than now, and it makes no difference. Vulkan's
  /// blocks of scores grow in steps: there no bound holds.
  bool surely(std::uint32_t n_ctx)
  {
    const auto workload = workload_at(n_ctx);
    const auto shape = resolve(workload, s_.model);
    const auto& now = known_.front();
    const bool steps = placement_.backend == Backend::vulkan && !now.memory.flash_attn;
    if (!steps && shape.n_ubatch == now.n_ubatch && shape.n_ctx >= now.n_ctx) {
      const auto like = s_.memory.estimate_like(workload, placement_, now.memory);
      if (fits(workload, with_compute(like, static_cast<double>(shape.n_ctx) / now.n_ctx))) return true;
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
    const auto like = s_.memory.estimate_like(workload, placement_, from->memory);
    if (from == to) return room(workload, like);
    const auto share = (static_cast<double>(shape.n_ctx) - from->n_ctx) / (static_cast<double>(to->n_ctx) - from->n_ctx);
    return room(workload, between(like, to->memory, share));
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
  double room(const Workload& workload, const MemoryEstimate& memory) const
  {
    return room_of(s_, workload, placement_, memory).share;
  }
  bool fits(const Workload& workload, const MemoryEstimate& memory) const { return room(workload, memory) >= 0; }

  const Subject& s_;
  const Placement& placement_;
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
