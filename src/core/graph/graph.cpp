#include "graph/graph.hpp"

namespace canirun {

void Graph::clear()
{
  tensors.clear();
  nodes.clear();
  leafs.clear();
  layer_begin.clear();
  visited_.clear();
}

void Graph::build_forward_expand(Ref root)
{
  visited_.resize(tensors.size(), 0);
  if (root.id < 0 || visited_[static_cast<std::size_t>(root.id)]) return;
  const auto enter = [&](std::int32_t id) {
    visited_[static_cast<std::size_t>(id)] = 1;
    stack_.push_back({id, 0});
  };
  // Depth first without recursion: a frame is a tensor and the number of its sources that are done.
  enter(root.id);
  while (!stack_.empty()) {
    auto& [id, next] = stack_.back();
    const auto& t = tensors[static_cast<std::size_t>(id)];
    while (next < t.n_src && (t.src[next] < 0 || visited_[static_cast<std::size_t>(t.src[next])])) ++next;
    if (next < t.n_src) {
      enter(t.src[next++]);
      continue;
    }
    (t.op == Op::none ? leafs : nodes).push_back(id);
    stack_.pop_back();
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
