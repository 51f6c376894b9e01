#include "placement_search.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace canirun {

namespace {

// Context sizes are padded to this many cells (llama-context.cpp).
constexpr std::uint32_t k_context_step = 256;

bool needs_ram(const Placement& p) { return p.mode != Placement::Mode::gpu; }

Placement::Mode mode_of(const Placement& p, std::uint32_t n_layer_all)
{
  if (p.gpus.empty() || p.n_gpu_layers == 0) return Placement::Mode::cpu;
  return p.n_gpu_layers > n_layer_all && p.n_cpu_moe == 0 ? Placement::Mode::gpu : Placement::Mode::split;
}

/// The search for one file on one machine: every candidate becomes a trial, the best one stays.
class Search {
 public:
  Search(const Subject& subject, const PlacementRequest& request) : s_(subject), request_(request) {}

  Trial automatic();
  Trial stated();

 private:
  /// Layers on the GPUs and experts in RAM, before it is a placement.
  struct Amounts {
    std::uint32_t n_gpu_layers = 0;
    std::uint32_t n_cpu_moe = 0;
  };

  std::uint32_t all_layers() const { return s_.n_layer_all() + 1; }
  Placement base(std::vector<std::size_t> gpus) const;
  Trial attempt(const std::vector<std::size_t>& gpus, Amounts amounts) const;
  void offer(Trial trial);
  bool done() const { return best_ && best_->grade.letter == Letter::S; }

  void try_single_gpus();
  void try_several_gpus();
  void try_experts_in_ram();
  void try_layers_in_ram();
  template <typename Make>
  void offer_by_headroom(std::uint32_t least, std::uint32_t most, Make make);

  const Subject& s_;
  const PlacementRequest& request_;
  std::optional<Trial> best_;
};

Placement Search::base(std::vector<std::size_t> gpus) const
{
  Placement p;
  p.backend = gpus.empty() ? Backend::cpu : s_.machine.backend;
  p.n_layers = s_.n_layer_all();
  p.gpus = std::move(gpus);
  return p;
}

/// Shares of the GPUs as llama.cpp takes them without --tensor-split: by what each may use.
std::vector<double> shares_of(const std::vector<double>& amounts)
{
  const auto sum = std::accumulate(amounts.begin(), amounts.end(), 0.0);
  std::vector<double> shares;
  for (const auto a : amounts) shares.push_back(sum > 0 ? a / sum : 1.0 / static_cast<double>(amounts.size()));
  return shares;
}

Trial Search::attempt(const std::vector<std::size_t>& gpus, Amounts amounts) const
{
  auto p = base(gpus);
  p.n_gpu_layers = gpus.empty() ? 0 : std::min(amounts.n_gpu_layers, all_layers());
  p.n_cpu_moe = gpus.empty() ? 0 : std::min(amounts.n_cpu_moe, s_.n_layer_all());
  p.mode = mode_of(p, s_.n_layer_all());
  if (p.gpus.size() == 1) p.split = {1.0};
  if (p.gpus.size() <= 1 || !request_.tensor_split.empty()) {
    if (p.gpus.size() > 1) p.split = shares_of(request_.tensor_split);
    return try_placement(s_, std::move(p));
  }
  std::vector<double> budgets;
  for (const auto g : gpus) budgets.push_back(static_cast<double>(s_.machine.gpu_budget[g].count));
  p.split = shares_of(budgets);
  auto first = try_placement(s_, p);
  // What a device needs apart from its layers (buffers, runtime) is not its to share: take it off and split again.
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    const auto& parts = first.memory.gpus[i];
    const auto fixed = parts.compute + parts.output + parts.runtime_overhead + parts.projector;
    budgets[i] = std::max(0.0, budgets[i] - static_cast<double>(fixed.count));
  }
  p.split = shares_of(budgets);
  auto second = try_placement(s_, std::move(p));
  return second.room.share > first.room.share ? second : first;
}

/// Keeps the better trial; the earlier one wins ties. Of two that do not fit, the one that misses less.
void Search::offer(Trial trial)
{
  if (!best_) {
    best_ = std::move(trial);
    return;
  }
  const bool better = trial.fits ? !best_->fits || trial.grade.letter > best_->grade.letter
                                 : !best_->fits && trial.room.share > best_->room.share;
  if (better) best_ = std::move(trial);
}

void Search::try_single_gpus()
{
  std::vector<std::size_t> seen;
  for (const auto g : s_.machine.gpus) {
    const auto& gpus = s_.machine.hardware->gpus;
    const bool twin = std::ranges::any_of(seen, [&](std::size_t o) {
      return gpus[o].name == gpus[g].name && s_.machine.gpu_budget[o] == s_.machine.gpu_budget[g];
    });
    if (twin) continue;
    seen.push_back(g);
    offer(attempt({g}, {all_layers(), 0}));
    if (done()) return;
  }
}

void Search::try_several_gpus()
{
  auto by_budget = s_.machine.gpus;
  std::ranges::stable_sort(by_budget, [&](std::size_t a, std::size_t b) { return s_.machine.gpu_budget[a] > s_.machine.gpu_budget[b]; });
  for (std::size_t n = 2; n <= by_budget.size() && !done(); ++n) {
    std::vector<std::size_t> some(by_budget.begin(), by_budget.begin() + static_cast<std::ptrdiff_t>(n));
    std::ranges::sort(some);
    offer(attempt(some, {all_layers(), 0}));
  }
}

/// Offers, for each letter of headroom, the placement with the largest amount on the GPUs that still leaves that much. `make(n)` is
/// the trial with amount n; more on the GPUs never leaves more there, so each amount is found by bisection.
template <typename Make>
void Search::offer_by_headroom(std::uint32_t least, std::uint32_t most, Make make)
{
  std::map<std::uint32_t, Trial> tried;
  const auto at = [&](std::uint32_t n) -> const Trial& {
    const auto it = tried.find(n);
    return it != tried.end() ? it->second : tried.emplace(n, make(n)).first->second;
  };
  auto high = most;
  for (auto t = grade_thresholds().rbegin(); t != grade_thresholds().rend() && !done(); ++t) {
    std::uint32_t low = least;
    if (at(low).room.gpu_share < t->min_headroom) {
      if (t == grade_thresholds().rbegin()) offer(at(low));
      return;
    }
    while (low < high) {
      const auto middle = low + (high - low + 1) / 2;
      if (at(middle).room.gpu_share >= t->min_headroom) low = middle;
      else high = middle - 1;
    }
    high = low;
    offer(at(low));
  }
}

void Search::try_experts_in_ram()
{
  if (!s_.model.moe || s_.model.moe->n_expert == 0 || s_.machine.gpus.empty()) return;
  const auto n = s_.n_layer_all();
  // Amount n − n_cpu_moe of layers whose experts stay on the GPUs.
  offer_by_headroom(0, n - 1, [&](std::uint32_t on_gpu) { return attempt(s_.machine.gpus, {all_layers(), n - on_gpu}); });
}

void Search::try_layers_in_ram()
{
  if (s_.machine.gpus.empty()) return;
  const auto experts = request_.n_cpu_moe.value_or(0);
  offer_by_headroom(1, s_.n_layer_all(), [&](std::uint32_t layers) { return attempt(s_.machine.gpus, {layers, experts}); });
  const bool moe = s_.model.moe && s_.model.moe->n_expert > 0;
  if (moe && !request_.n_cpu_moe && !done()) {
    const auto all = s_.n_layer_all();
    offer_by_headroom(1, all, [&](std::uint32_t layers) { return attempt(s_.machine.gpus, {layers, all}); });
  }
}

Trial Search::automatic()
{
  if (request_.n_cpu_moe.value_or(0) > 0) {  // stated: experts of these layers in RAM, the rest is ours to find
    offer(attempt(s_.machine.gpus, {all_layers(), *request_.n_cpu_moe}));
  } else {
    try_single_gpus();
    if (!done()) try_several_gpus();
    if (!done() && !request_.n_cpu_moe) try_experts_in_ram();
  }
  if (!done()) try_layers_in_ram();
  if (!done()) offer(attempt({}, {}));
  return *best_;
}

Trial Search::stated()
{
  auto gpus = s_.machine.gpus;
  PlacementRequest request = request_;
  if (!request.tensor_split.empty()) {  // a share of 0 leaves a GPU out, GPUs beyond the list too
    std::vector<std::size_t> used;
    for (std::size_t i = 0; i < gpus.size() && i < request.tensor_split.size(); ++i) {
      if (request.tensor_split[i] > 0) used.push_back(gpus[i]);
    }
    std::erase_if(request.tensor_split, [](double share) { return share <= 0; });
    request.tensor_split.resize(used.size());
    gpus = std::move(used);
  }
  const auto layers = request.n_gpu_layers.value_or(-1);
  const auto experts = request.n_cpu_moe.value_or(0);
  return Search(s_, request).attempt(gpus, {layers < 0 ? all_layers() : static_cast<std::uint32_t>(layers), experts});
}

}  // namespace

Trial try_placement(const Subject& subject, Placement placement)
{
  Trial trial;
  trial.memory = estimate_memory(subject.model, subject.plan, subject.workload, placement);
  trial.room = headroom(subject.machine, placement, trial.memory);
  trial.fits = trial.room.share >= 0;
  auto workload = subject.workload;
  if (!trial.memory.flash_attn) workload.flash_attn = FlashAttention::off;
  trial.speed = estimate_speed(subject.model, subject.plan, workload, placement, *subject.machine.hardware);
  const auto tps = trial.speed.generation_tps ? std::optional(trial.speed.generation_tps->estimate) : std::nullopt;
  trial.grade = make_grade(trial.room.share, tps, needs_ram(placement), subject.speed_applies());
  trial.placement = std::move(placement);
  return trial;
}

Trial find_placement(const Subject& subject, const PlacementRequest& request)
{
  if (request.n_gpu_layers || !request.tensor_split.empty()) return Search(subject, request).stated();
  auto trial = Search(subject, request).automatic();
  if (!trial.fits) trial.placement.mode = Placement::Mode::none;
  return trial;
}

std::optional<std::uint32_t> max_context(const Subject& subject, const Trial& trial)
{
  const auto fits = [&](std::uint32_t n_ctx) {
    auto workload = subject.workload;
    workload.n_ctx = n_ctx;
    const auto memory = estimate_memory(subject.model, subject.plan, workload, trial.placement);
    return headroom(subject.machine, trial.placement, memory).share >= 0;
  };
  const auto most = subject.model.n_ctx_train / k_context_step;
  if (most == 0) return trial.fits ? std::optional(subject.model.n_ctx_train) : std::nullopt;
  if (fits(most * k_context_step)) return most * k_context_step;
  std::uint32_t low = 0, high = most - 1;  // in steps; low fits, or is 0
  const auto now = resolve(subject.workload, subject.model).n_ctx / k_context_step;
  if (trial.fits) low = std::min(now, high);
  else high = std::min(high, now);
  while (low < high) {
    const auto middle = low + (high - low + 1) / 2;
    if (fits(middle * k_context_step)) low = middle;
    else high = middle - 1;
  }
  return low > 0 ? std::optional(low * k_context_step) : std::nullopt;
}

}  // namespace canirun
