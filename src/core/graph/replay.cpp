#include <algorithm>

#include "graph/allocate.hpp"

/// \file
/// Allocation of a graph that has two repetitions of layers for many. The steps of the second one are taken once more for each that is
/// left out: its tensors are new then, and what it left behind takes the place of what the first repetition left to it.

namespace canirun {

/// Where the second repetition of a run is among the steps; nothing where it is not a copy of the first one, moved.
std::optional<GraphAllocator::Replay> GraphAllocator::find_steps(const Folding::Run& run,
                                                                 std::span<const std::int32_t> layer_begin)
{
  const auto& s = *schedule_;
  const auto own = [&](std::int32_t id) { return static_cast<std::size_t>(id) < s.n_own; };
  Replay r;
  r.first = layer_begin[run.first];
  r.second = layer_begin[run.second];
  r.end = layer_begin[run.end];
  r.n_left_out = run.n_left_out;
  if (r.end - r.second != r.second - r.first) return std::nullopt;

  // A layer begins with the copies that its first operation needs.
  const auto step_of = [&](std::int32_t tensor, std::size_t from) {
    auto i = from;
    while (i < s.steps.size() && !(own(s.steps[i].tensor) && s.steps[i].tensor >= tensor)) ++i;
    while (i > from && !own(s.steps[i - 1].tensor)) --i;
    return i;
  };
  const auto first_step = step_of(r.first, 0);
  r.begin_step = step_of(r.second, first_step);
  r.end_step = step_of(r.end, r.begin_step);

  if (!match_sources(r, first_step)) return std::nullopt;
  bool past = false;
  for (const auto& leaf : s.leafs) {
    const auto id = leaf.tensor;
    past |= own(id) && id >= r.end;
    if (id < r.second || id >= r.end || s.home[static_cast<std::size_t>(id)] >= 0) continue;
    if (past || s.tensors[static_cast<std::size_t>(id)].is_output) return std::nullopt;
    r.inputs.push_back(id);
  }
  return r;
}

/// What the second repetition reads, the first one reads too, or it has it from what was there before the run. False where a tensor
/// is neither.
bool GraphAllocator::match_sources(Replay& r, std::size_t first_step)
{
  const auto& s = *schedule_;
  const auto own = [&](std::int32_t id) { return static_cast<std::size_t>(id) < s.n_own; };
  const auto n = r.second - r.first;
  const auto match = [&](std::int32_t first, std::int32_t second) {
    if (second < 0 || first < 0) return first == second;
    if (!own(first) || !own(second) || first == second) return true;
    if (first >= r.first) return first == second - n;
    if (second < r.first || second >= r.second) return false;
    const auto known = std::ranges::find(r.carried, first, &Carried::before);
    if (known != r.carried.end()) return known->by_first == second;
    r.carried.push_back({first, second});
    return true;
  };
  for (auto id = r.second; id < r.end; ++id) {
    const auto& second = s.tensors[static_cast<std::size_t>(id)];
    const auto& first = s.tensors[static_cast<std::size_t>(id - n)];
    if (first.n_src != second.n_src || !match(first.view_src, second.view_src)) return false;
    for (std::size_t i = 0; i < first.n_src; ++i) {
      if (!match(first.src[i], second.src[i])) return false;
    }
  }
  // Copies have no place of their own among the layers' tensors. Those that a pipeline keeps for good belong to one repetition.
  std::vector<bool> read_by_first(s.tensors.size() - s.n_own);
  for (auto i = first_step; i < r.begin_step; ++i) {
    for (const auto src : s.tensors[static_cast<std::size_t>(s.steps[i].tensor)].sources()) {
      if (src >= 0 && !own(src)) read_by_first[static_cast<std::size_t>(src) - s.n_own] = true;
    }
  }
  for (auto i = r.begin_step; i < r.end_step; ++i) {
    const auto id = s.steps[i].tensor;
    const auto& t = s.tensors[static_cast<std::size_t>(id)];
    if (own(id) ? id < r.first || id >= r.end : t.is_input) return false;
    if (!own(id)) add_copy(r, id);
    for (const auto src : t.sources()) {
      if (src < 0 || own(src)) continue;
      if (is_only_last(r, src) || (is_older(r, src) && !read_by_first[static_cast<std::size_t>(src) - s.n_own])) return false;
    }
  }
  return true;
}

/// A copy of the second repetition: what has its place in the first one. A copy of what is older has none: what follows the run needs it.
void GraphAllocator::add_copy(Replay& r, std::int32_t id)
{
  const auto& s = *schedule_;
  const auto at = [](std::int32_t i) { return static_cast<std::size_t>(i); };
  auto source = s.copy_of[at(id) - s.n_own];
  if (source >= r.first) {
    const auto carried = std::ranges::find(r.carried, source, &Carried::by_first);
    source = carried == r.carried.end() ? source - (r.second - r.first) : carried->before;
  } else {
    r.only_last.push_back(id);
    return;
  }
  Copy copy{.second = id};
  for (auto other = s.n_own; other < s.tensors.size() && copy.first < 0; ++other) {
    const bool same_kind = (s.tensors[other].view_src < 0) == (s.tensors[at(id)].view_src < 0);
    if (s.copy_of[other - s.n_own] != source || !same_kind || s.device[other] != s.device[at(id)]) continue;
    copy.first = static_cast<std::int32_t>(other);
  }
  r.copies.push_back(copy);
}

/// Whether a step of the second repetition is taken for the last repetition only.
bool GraphAllocator::is_only_last(const Replay& r, std::int32_t id) const
{
  return std::ranges::find(r.only_last, id) != r.only_last.end();
}

/// Of a source: there before the run, and read by all of its repetitions.
bool GraphAllocator::is_older(const Replay& r, std::int32_t src) const
{
  if (static_cast<std::size_t>(src) >= schedule_->n_own) {
    return !is_only_last(r, src) && std::ranges::none_of(r.copies, [&](const Copy& c) { return c.first == src || c.second == src; });
  }
  return src < r.first && std::ranges::find(r.carried, src, &Carried::before) == r.carried.end();
}

/// Inputs of the repetitions that are left out, in the graph's order.
void GraphAllocator::allocate_inputs(Replay& r)
{
  for (std::size_t n = 0; n < r.n_left_out; ++n) {
    for (const auto id : r.inputs) {
      const auto& like = states_[static_cast<std::size_t>(id)];
      r.input_addresses.push_back(allocators_[static_cast<std::size_t>(like.device)].allocate(like.bytes));
    }
  }
}

/// What is older has so many more readers for each time that the second repetition reads it.
void GraphAllocator::add_readers(const Replay& r, std::int32_t times)
{
  for (auto i = r.begin_step; i < r.end_step; ++i) {
    const auto id = schedule_->steps[i].tensor;
    if (is_only_last(r, id)) continue;
    const auto& t = schedule_->tensors[static_cast<std::size_t>(id)];
    if (t.view_src >= 0 && t.op != Op::none && is_older(r, t.view_src)) {
      states_[static_cast<std::size_t>(t.view_src)].n_views += times;
    }
    for (const auto src : t.sources()) {
      if (src >= 0 && is_older(r, src)) states_[static_cast<std::size_t>(src)].n_children += times;
    }
  }
}

/// Whether everything older is read, or has views, after the run.
bool GraphAllocator::older_live_on(const Replay& r) const
{
  const auto is_done = [&](std::int32_t id) {
    if (id < 0 || !is_older(r, id)) return false;
    const auto& s = states_[static_cast<std::size_t>(id)];
    return s.n_children == 0 && s.n_views == 0;
  };
  for (auto i = r.begin_step; i < r.end_step; ++i) {
    const auto& t = schedule_->tensors[static_cast<std::size_t>(schedule_->steps[i].tensor)];
    if (is_done(t.view_src) || std::ranges::any_of(t.sources(), is_done)) return false;
  }
  return true;
}

void GraphAllocator::remember_initial(Replay& r)
{
  r.initial.assign(states_.begin() + r.first, states_.begin() + r.end);
  for (const auto& c : r.copies) r.initial_copies.push_back(states_[static_cast<std::size_t>(c.second)]);
  const auto n = static_cast<std::ptrdiff_t>(r.second - r.first);
  r.same_readers = std::equal(r.initial.begin(), r.initial.begin() + n, r.initial.begin() + n, [](const State& a, const State& b) {
    return a.n_children == b.n_children && a.n_views == b.n_views;
  });
}

/// Makes the tensors of the second repetition new, for its `pass`-th time.
void GraphAllocator::begin_pass(const Replay& r, std::size_t pass)
{
  const auto n = static_cast<std::size_t>(r.second - r.first);
  for (std::size_t i = 0; i < n; ++i) {
    auto& own = states_[static_cast<std::size_t>(r.second) + i];
    const auto device = own.device;
    const auto bytes = own.bytes;
    own = r.initial[n + i];
    own.device = device;
    own.bytes = bytes;
    if (pass == r.n_left_out) continue;
    own.n_children = r.initial[i].n_children;
    own.n_views = r.initial[i].n_views;
  }
  if (pass == 0) return;
  for (std::size_t i = 0; i < r.inputs.size(); ++i) {
    states_[static_cast<std::size_t>(r.inputs[i])].address = r.input_addresses[(pass - 1) * r.inputs.size() + i];
  }
}

/// What the second repetition left behind takes the place of what it found.
bool GraphAllocator::hand_over(const Replay& r)
{
  const auto take = [](State& to, const State& found, State& from) {
    to = found;
    if (to.allocated != from.allocated) return false;
    to.address = from.address;
    to.bytes = from.bytes;
    to.device = from.device;
    from.allocated = false;
    return true;
  };
  for (std::size_t i = 0; i < r.carried.size(); ++i) {
    const auto [before, by_first] = r.carried[i];
    if (!take(states_[static_cast<std::size_t>(before)], r.found_before[i], states_[static_cast<std::size_t>(by_first)])) return false;
  }
  const auto n = static_cast<std::size_t>(r.second - r.first);
  for (std::size_t i = 0; i < n; ++i) {
    auto& first = states_[static_cast<std::size_t>(r.first) + i];
    if (first.allocated || !take(first, r.found[i], states_[static_cast<std::size_t>(r.second) + i])) return false;
  }
  for (std::size_t i = 0; i < r.copies.size(); ++i) {
    auto& second = states_[static_cast<std::size_t>(r.copies[i].second)];
    if (r.copies[i].first >= 0) {
      auto& first = states_[static_cast<std::size_t>(r.copies[i].first)];
      if (first.allocated || !take(first, r.found_copies[i], second)) return false;
    } else if (second.allocated) {
      return false;
    }
    second = r.initial_copies[i];
  }
  return true;
}

/// Where the second repetition begins, or (`after`) where it has ended: all that further allocations depend on.
std::vector<std::uint64_t> GraphAllocator::state(const Replay& r, bool after) const
{
  std::vector<std::uint64_t> all;
  for (const auto& allocator : allocators_) allocator.append_state(all);
  const auto append = [&](std::size_t label, std::int32_t id) {
    const auto& s = states_[static_cast<std::size_t>(id)];
    if (s.allocated) all.insert(all.end(), {label, static_cast<std::uint64_t>(s.device), s.address.chunk, s.address.offset});
  };
  for (std::size_t i = 0; i < r.carried.size(); ++i) append(i, after ? r.carried[i].by_first : r.carried[i].before);
  for (std::size_t i = 0; i < r.copies.size(); ++i) {
    const auto id = after ? r.copies[i].second : r.copies[i].first;
    if (id >= 0) append(i, id);
  }
  for (auto id = r.first; id < r.second; ++id) append(static_cast<std::size_t>(id), after ? id + (r.second - r.first) : id);
  return all;
}

/// The second repetition and those that are left out. False where one does not leave what the next one needs.
bool GraphAllocator::replay(Replay& r)
{
  r.found.assign(states_.begin() + r.first, states_.begin() + r.second);
  for (const auto& c : r.copies) r.found_copies.push_back(c.first >= 0 ? states_[static_cast<std::size_t>(c.first)] : State{});
  for (const auto& c : r.carried) r.found_before.push_back(states_[static_cast<std::size_t>(c.before)]);
  // Once a repetition begins as an earlier one did, the ones from there on come again. With inputs of their own they never do.
  bool may_recur = r.inputs.empty();
  std::vector<std::vector<std::uint64_t>> begun;
  if (may_recur) begun.push_back(state(r, false));
  for (std::size_t pass = 0;;) {
    begin_pass(r, pass);
    const bool last = pass == r.n_left_out;
    for (auto i = r.begin_step; i < r.end_step; ++i) {
      if (last || !is_only_last(r, schedule_->steps[i].tensor)) step(schedule_->steps[i]);
    }
    if (last) return true;
    ++pass;
    if (may_recur) {
      auto now = state(r, true);
      const auto same = static_cast<std::size_t>(std::ranges::find(begun, now) - begun.begin());
      if (same < begun.size()) {
        // The last one may differ in what it reads for the last time.
        const auto period = begun.size() - same;
        const auto skipped = (r.n_left_out - pass) / period * period;
        add_readers(r, -static_cast<std::int32_t>(skipped));
        pass += skipped;
        may_recur = false;
        if (period == 1 && r.same_readers && r.only_last.empty()) {
          add_readers(r, -1);
          if (older_live_on(r)) return true;
          add_readers(r, 1);
        }
      } else {
        begun.push_back(std::move(now));
      }
    }
    if (!hand_over(r)) return false;
  }
}

std::optional<std::span<const std::uint64_t>> GraphAllocator::reserve(const Schedule& schedule, std::span<const Folding::Run> runs,
                                                                      std::span<const std::int32_t> layer_begin)
{
  schedule_ = &schedule;
  replays_.clear();
  for (const auto& run : runs) {
    auto r = find_steps(run, layer_begin);
    if (!r) return std::nullopt;
    replays_.push_back(*std::move(r));
  }
  begin(schedule);
  for (const auto& r : replays_) add_readers(r, static_cast<std::int32_t>(r.n_left_out));
  for (auto& r : replays_) remember_initial(r);
  std::size_t done = 0;
  for (auto& r : replays_) {
    for (; done < r.begin_step; ++done) step(schedule.steps[done]);
    if (!replay(r)) return std::nullopt;
    done = r.end_step;
  }
  for (; done < schedule.steps.size(); ++done) step(schedule.steps[done]);
  return peaks();
}

}  // namespace canirun
