#include "placement_search.hpp"

#include <algorithm>
#include <numeric>

#include "canirun/core/runtime.hpp"
#include "speed_law.hpp"

namespace canirun {

namespace {

Placement::Mode mode_of(const Placement& p, std::uint32_t n_layer_all)
{
  if (p.gpus.empty() || p.n_gpu_layers == 0) return Placement::Mode::cpu;
  return p.n_gpu_layers > n_layer_all && p.n_cpu_moe == 0 ? Placement::Mode::gpu : Placement::Mode::split;
}

/// Without the GPUs that no layer fell to: they would only take the memory of a context.
void leave_out_idle(Placement& p)
{
  std::vector<double> layers(p.gpus.size(), 0);
  for (std::uint32_t il = 0; il <= p.n_layers; ++il) {
    if (const auto gpu = p.device_of_layer(il, p.n_layers)) layers[*gpu] += 1;
  }
  const auto sum = std::accumulate(layers.begin(), layers.end(), 0.0);
  if (sum == 0 || std::ranges::find(layers, 0.0) == layers.end()) return;
  std::vector<std::size_t> used;
  p.split.clear();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i] == 0) continue;
    used.push_back(p.gpus[i]);
    p.split.push_back(layers[i] / sum);
  }
  p.gpus = std::move(used);
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
  Placement layout(const std::vector<std::size_t>& gpus, Amounts amounts, std::vector<double> shares) const;
  std::vector<double> shares(const std::vector<std::size_t>& gpus, Amounts amounts, const MemoryEstimate* known = nullptr) const;
  std::vector<double> by_weight(const std::vector<double>& shares, std::uint32_t n_cpu_moe) const;
  Trial attempt(const std::vector<std::size_t>& gpus, Amounts amounts) const;
  void offer(Trial trial);
  bool done() const { return best_ && best_->grade.letter == Letter::S; }

  void try_single_gpus();
  void try_several_gpus();
  void try_experts_in_ram();
  void try_layers_in_ram();
  template <typename AmountsOf>
  void offer_by_headroom(std::uint32_t least, std::uint32_t most, AmountsOf amounts_of);

  const Subject& s_;
  const PlacementRequest& request_;
  std::optional<Trial> best_;
};

Placement Search::layout(const std::vector<std::size_t>& gpus, Amounts amounts, std::vector<double> shares) const
{
  Placement p;
  p.backend = gpus.empty() ? Backend::cpu : s_.machine.backend;
  p.n_layers = s_.n_layer_all();
  p.n_gpu_layers = gpus.empty() ? 0 : std::min(amounts.n_gpu_layers, all_layers());
  p.n_cpu_moe = gpus.empty() ? 0 : std::min(amounts.n_cpu_moe, s_.n_layer_all());
  p.gpus = gpus;
  p.split = std::move(shares);
  p.output_layer_last = rules_of(s_.workload.runtime).output_layer_last;
  p.mode = mode_of(p, s_.n_layer_all());
  if (p.gpus.size() > 1 && request_.tensor_split.empty()) leave_out_idle(p);
  return p;
}

/// Shares of the GPUs: as stated, else by what each may use, as llama.cpp takes them without --tensor-split. What a device needs
/// apart from its layers (buffers, runtime; from a `known` estimate) is not its to share.
std::vector<double> Search::shares(const std::vector<std::size_t>& gpus, Amounts placed, const MemoryEstimate* known) const
{
  std::vector<double> amounts = request_.tensor_split;
  if (amounts.size() != gpus.size()) {
    amounts.clear();
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      auto budget = s_.machine.gpu_budget[gpus[i]];
      if (known && known->gpus.size() == gpus.size())
        budget = saturating_sub(budget, known->gpus[i].compute + known->gpus[i].runtime_overhead);
      amounts.push_back(static_cast<double>(budget.count));
    }
  }
  const auto sum = std::accumulate(amounts.begin(), amounts.end(), 0.0);
  for (auto& a : amounts) a = sum > 0 ? a / sum : 1.0 / static_cast<double>(amounts.size());
  const bool uneven = placed.n_cpu_moe > 0 && placed.n_cpu_moe < s_.n_layer_all() && placed.n_gpu_layers >= all_layers();
  return uneven && gpus.size() > 1 && request_.tensor_split.empty() ? by_weight(amounts, placed.n_cpu_moe) : amounts;
}

/// Shares of bytes as shares of layers. The first layers, whose experts are in RAM, weigh little: a GPU takes more of them.
std::vector<double> Search::by_weight(const std::vector<double>& shares, std::uint32_t n_cpu_moe) const
{
  std::vector<double> weight(all_layers(), 0);
  for (const auto& t : s_.plan.tensors) {
    if (!t.loaded || t.place == TensorPlace::input || (t.expert && t.layer < n_cpu_moe)) continue;
    weight[t.place == TensorPlace::repeating ? std::min(t.layer, s_.n_layer_all()) : s_.n_layer_all()] +=
        static_cast<double>(t.bytes().count);
  }
  const auto total = std::accumulate(weight.begin(), weight.end(), 0.0);
  std::vector<double> layers(shares.size(), 0);
  std::size_t gpu = 0;
  double before = 0, bound = shares.front() * total;
  for (const auto w : weight) {
    while (gpu + 1 < shares.size() && before + w / 2 > bound) bound += shares[++gpu] * total;
    layers[gpu] += 1 / static_cast<double>(all_layers());
    before += w;
  }
  return layers;
}

Trial Search::attempt(const std::vector<std::size_t>& gpus, Amounts amounts) const
{
  auto first = try_placement(s_, layout(gpus, amounts, shares(gpus, amounts)));
  if (gpus.size() <= 1 || !request_.tensor_split.empty()) return first;
  if (first.placement.gpus != gpus) return first;
  auto second = try_placement(s_, layout(gpus, amounts, shares(gpus, amounts, &first.memory)));
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
  std::ranges::stable_sort(by_budget,
                           [&](std::size_t a, std::size_t b) { return s_.machine.gpu_budget[a] > s_.machine.gpu_budget[b]; });
  for (std::size_t n = 2; n <= by_budget.size() && !done(); ++n) {
    std::vector<std::size_t> some(by_budget.begin(), by_budget.begin() + static_cast<std::ptrdiff_t>(n));
    std::ranges::sort(some);
    offer(attempt(some, {all_layers(), 0}));
  }
}

/// Offers, for each letter of headroom, the placement with the largest amount on the GPUs that still leaves that much. Amounts are
/// found by bisection over sums of weights and caches with the last trial's buffers, then tried; a trial's buffers correct the next
/// step, so that two or three graphs are replayed for a letter.
template <typename AmountsOf>
void Search::offer_by_headroom(std::uint32_t least, std::uint32_t most, AmountsOf amounts_of)
{
  const auto& gpus = s_.machine.gpus;
  auto last = attempt(gpus, amounts_of(most));
  auto high = most;
  const auto largest = [&](double share) {
    auto low = least, top = high;
    while (low < top) {
      const auto middle = low + (top - low + 1) / 2;
      const auto p = layout(gpus, amounts_of(middle), shares(gpus, amounts_of(middle), &last.memory));
      const auto like = s_.memory.estimate_like(s_.workload, p, last.memory);
      if (headroom(s_.machine, p, like).gpu_share >= share) low = middle;
      else top = middle - 1;
    }
    return low;
  };
  for (auto t = grade_thresholds().rbegin(); t != grade_thresholds().rend(); ++t) {
    auto n = largest(t->min_headroom);
    auto trial = try_placement(s_, layout(gpus, amounts_of(n), shares(gpus, amounts_of(n), &last.memory)));
    while (trial.room.gpu_share < t->min_headroom && n > least) {
      last = std::move(trial);
      n = std::min(n - 1, largest(t->min_headroom));
      trial = try_placement(s_, layout(gpus, amounts_of(n), shares(gpus, amounts_of(n), &last.memory)));
    }
    const bool leaves = trial.room.gpu_share >= t->min_headroom;
    // Where speed already decides, more in RAM only slows it further.
    const bool slow = trial.grade.speed && *trial.grade.speed <= trial.grade.memory;
    if (leaves || t == grade_thresholds().rbegin()) offer(trial);
    if (!leaves || slow || done()) return;
    high = n;
    last = std::move(trial);
  }
}

void Search::try_experts_in_ram()
{
  if (!s_.model.moe || s_.model.moe->n_expert == 0 || s_.machine.gpus.empty()) return;
  const auto n = s_.n_layer_all();
  // Amount n − n_cpu_moe of layers whose experts stay on the GPUs.
  offer_by_headroom(0, n - 1, [&](std::uint32_t on_gpu) { return Amounts{all_layers(), n - on_gpu}; });
  // Cards that read more slowly than the CPU are no place for experts that fit there.
  const auto ram = cpu_rates(*s_.machine.hardware).bandwidth;
  const bool slow_card = std::ranges::any_of(s_.machine.gpus, [&](std::size_t g) {
    const auto& bandwidth = s_.machine.hardware->gpus[g].bandwidth;
    return bandwidth && bandwidth->value < ram;
  });
  if (slow_card && !done()) offer(attempt(s_.machine.gpus, {all_layers(), n}));
}

void Search::try_layers_in_ram()
{
  if (s_.machine.gpus.empty()) return;
  // With experts in RAM a mixture fits wherever layers in RAM would, and is faster: whole layers go only when it does not fit, or so
  // tightly that memory decides its grade.
  const bool moe = s_.model.moe && s_.model.moe->n_expert > 0;
  const bool tight = best_ && best_->grade.speed && best_->grade.memory < *best_->grade.speed;
  if (moe && !request_.n_cpu_moe && best_ && best_->fits && !tight) return;
  const auto experts = request_.n_cpu_moe.value_or(0);
  offer_by_headroom(1, s_.n_layer_all(), [&](std::uint32_t layers) { return Amounts{layers, experts}; });
  if (moe && !request_.n_cpu_moe && !done()) {
    const auto all = s_.n_layer_all();
    offer_by_headroom(1, all, [&](std::uint32_t layers) { return Amounts{layers, all}; });
  }
}

Trial Search::automatic()
{
  if (is_hopeless(s_.machine, s_.memory.loaded_bytes())) {  // no search: the two ends are enough to say by how much it misses
    if (!s_.machine.gpus.empty()) offer(attempt(s_.machine.gpus, {all_layers(), 0}));
    offer(attempt({}, {}));
    return *best_;
  }
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

Trial find_placement(const Subject& subject, const PlacementRequest& request)
{
  if (request.n_gpu_layers || !request.tensor_split.empty()) return Search(subject, request).stated();
  auto trial = Search(subject, request).automatic();
  if (!trial.fits) trial.placement.mode = Placement::Mode::none;
  return trial;
}

}  // namespace canirun
