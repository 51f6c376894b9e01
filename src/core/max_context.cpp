#include <algorithm>

#include "placement_search.hpp"

namespace canirun {

namespace {

// Context sizes are padded to this many cells (llama-context.cpp).
constexpr std::uint32_t k_context_step = 256;

/// Scales the compute buffers of an estimate.
MemoryEstimate with_compute(MemoryEstimate memory, double factor)
{
  const auto scale = [&](Bytes& b) { b.count = static_cast<std::uint64_t>(static_cast<double>(b.count) * factor); };
  for (auto& gpu : memory.gpus) scale(gpu.compute);
  scale(memory.host.compute);
  return memory;
}

/// Whether a placement fits at other contexts. Compute buffers of the same micro-batch grow with the context, but not faster than it:
/// between these bounds most answers need no graph. Vulkan's blocks of scores grow in steps: there every answer takes one.
class ContextFit {
 public:
  ContextFit(const Subject& subject, const Trial& trial)
      : s_(subject), placement_(trial.placement), known_(trial.memory), known_shape_(resolve(subject.workload, subject.model))
  {
  }

  /// By a graph of its own.
  bool exactly(std::uint32_t n_ctx)
  {
    bounded_ = false;
    const bool fits = (*this)(n_ctx);
    bounded_ = true;
    return fits;
  }

  bool operator()(std::uint32_t n_ctx)
  {
    auto workload = s_.workload;
    workload.n_ctx = n_ctx;
    const bool steps = placement_.backend == Backend::vulkan && !known_.flash_attn;
    const auto shape = resolve(workload, s_.model);
    if (bounded_ && !steps && shape.n_ubatch == known_shape_.n_ubatch) {
      const auto ratio = static_cast<double>(shape.n_ctx) / known_shape_.n_ctx;
      const auto like = s_.memory.estimate_like(workload, placement_, known_);
      if (fits(workload, with_compute(like, std::max(1.0, ratio)))) return true;
      if (!fits(workload, with_compute(like, std::min(1.0, ratio)))) return false;
    }
    known_ = s_.memory.estimate(workload, placement_);
    known_shape_ = shape;
    return fits(workload, known_);
  }

 private:
  bool fits(const Workload& workload, const MemoryEstimate& memory) const
  {
    return room_of(s_, workload, placement_, memory).share >= 0;
  }

  const Subject& s_;
  const Placement& placement_;
  MemoryEstimate known_;
  RunShape known_shape_;
  bool bounded_ = true;
};

}  // namespace

std::optional<std::uint32_t> max_context(const Subject& subject, const Trial& trial)
{
  ContextFit fits(subject, trial);
  const auto most = subject.model.n_ctx_train / k_context_step;
  if (most == 0) return trial.fits ? std::optional(subject.model.n_ctx_train) : std::nullopt;
  if (fits(most * k_context_step)) return most * k_context_step;
  const auto largest = [&](std::uint32_t high, auto&& fits_at) {
    std::uint32_t low = 0;  // in steps; it fits, or is 0
    const auto now = std::min(high, resolve(subject.workload, subject.model).n_ctx / k_context_step);
    if (fits_at(now)) low = now;  // a small context that the streams pad may have had a smaller micro-batch
    else high = now > 0 ? now - 1 : 0;
    while (low < high) {
      const auto middle = low + (high - low + 1) / 2;
      if (fits_at(middle)) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const auto exactly = [&](std::uint32_t steps) { return fits.exactly(steps * k_context_step); };
  auto low = largest(most - 1, [&](std::uint32_t steps) { return fits(steps * k_context_step); });
  // Fragments may have made a buffer larger or smaller than the bounds allow.
  if ((low > 0 && !exactly(low)) || exactly(low + 1)) low = largest(most, exactly);
  return low > 0 ? std::optional(low * k_context_step) : std::nullopt;
}

}  // namespace canirun
