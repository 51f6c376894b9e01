#include "media/eager.hpp"

#include <algorithm>
#include <vector>

#include "graph/ops.hpp"

namespace canirun {

namespace {

bool is_alias(Op op) { return op == Op::reshape || op == Op::view || op == Op::permute || op == Op::transpose; }

bool is_wide_kernel(const GraphTensor& kernel) { return kernel.ne[0] * kernel.ne[1] > 1; }

}  // namespace

std::uint64_t eager_numbers(const Graph& graph, std::span<const Held> held, std::uint64_t copies)
{
  const auto n = graph.tensors.size();
  const auto index = [](std::int32_t id) { return static_cast<std::size_t>(id); };
  // A view stands for what it shows; an operation in place is a new tensor here.
  std::vector<std::size_t> owner(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto& t = graph.tensors[i];
    owner[i] = is_alias(t.op) && t.src[0] >= 0 ? owner[index(t.src[0])] : i;
  }
  std::vector<std::size_t> last(n, 0);
  auto order = graph.nodes;
  std::ranges::sort(order);  // as the program text makes them
  for (const auto id : order) {
    for (const auto src : graph.tensors[index(id)].sources()) {
      if (src >= 0) last[owner[index(src)]] = std::max(last[owner[index(src)]], index(id));
    }
    last[owner[index(id)]] = std::max(last[owner[index(id)]], index(id));
  }
  for (const auto& h : held) last[owner[index(h.id)]] = std::max(last[owner[index(h.id)]], h.end);

  const auto size = [&](std::size_t i) { return n_elements(graph.tensors[i]); };
  std::uint64_t live = 0, peak = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (graph.tensors[i].leaf == Leaf::input) live += size(i);
  }
  std::vector<std::pair<std::size_t, std::size_t>> ends;  // last use, tensor; earliest last
  const auto later = [](const auto& a, const auto& b) { return a.first > b.first; };
  for (const auto id : order) {
    const auto i = index(id);
    const auto& t = graph.tensors[i];
    while (!ends.empty() && ends.front().first < i) {
      live -= size(ends.front().second);
      std::ranges::pop_heap(ends, later);
      ends.pop_back();
    }
    if (owner[i] != i) continue;
    live += size(i);
    const bool convolves = t.op == Op::conv_2d && is_wide_kernel(graph.tensors[index(t.src[0])]);
    const auto again = convolves ? copies * (size(i) + size(owner[index(t.src[1])])) : 0;
    peak = std::max(peak, live + again);
    ends.emplace_back(last[i], i);
    std::ranges::push_heap(ends, later);
  }
  return peak;
}

}  // namespace canirun
