#include "graph/graph.hpp"

namespace canirun {

Ref Graph::add(GraphTensor tensor)
{
  tensors.push_back(tensor);
  return {static_cast<std::int32_t>(tensors.size()) - 1};
}

void Graph::build_forward_expand(Ref root)
{
  visited_.resize(tensors.size(), false);
  // Depth first without recursion: a frame is a tensor and the number of its sources that are done.
  std::vector<std::pair<std::int32_t, std::size_t>> stack;
  const auto enter = [&](std::int32_t id) {
    if (id < 0 || visited_[static_cast<std::size_t>(id)]) return;
    visited_[static_cast<std::size_t>(id)] = true;
    stack.emplace_back(id, 0);
  };
  enter(root.id);
  while (!stack.empty()) {
    const auto id = stack.back().first;
    const auto& t = tensors[static_cast<std::size_t>(id)];
    if (stack.back().second < t.src.size()) {
      enter(t.src[stack.back().second++]);
      continue;
    }
    (t.op == Op::none ? leafs : nodes).push_back(id);
    stack.pop_back();
  }
}

std::uint64_t n_bytes(const GraphTensor& t)
{
  const auto& block = traits(t.type);
  for (const auto n : t.ne) {
    if (n == 0) return 0;
  }
  if (block.block_weights == 1) {
    std::uint64_t bytes = block.block_bytes;
    for (std::size_t i = 0; i < 4; ++i) bytes += (t.ne[i] - 1) * t.nb[i];
    return bytes;
  }
  std::uint64_t bytes = t.ne[0] * t.nb[0] / block.block_weights;
  for (std::size_t i = 1; i < 4; ++i) bytes += (t.ne[i] - 1) * t.nb[i];
  return bytes;
}

}  // namespace canirun
