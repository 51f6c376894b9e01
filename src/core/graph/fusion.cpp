#include "graph/fusion.hpp"

#include <algorithm>

namespace canirun {

void KeptTensors::reset(std::size_t n_tensors)
{
  group_of_.assign(n_tensors, -1);
  n_groups_ = 0;
}

void KeptTensors::keep(std::int32_t tensor, std::int32_t until)
{
  auto& group = group_of_[static_cast<std::size_t>(until)];
  if (group < 0) {
    group = static_cast<std::int32_t>(n_groups_++);
    if (n_groups_ > groups_.size()) groups_.emplace_back();
    groups_[static_cast<std::size_t>(group)].clear();
  }
  auto& tensors = groups_[static_cast<std::size_t>(group)];
  if (std::ranges::find(tensors, tensor) == tensors.end()) tensors.push_back(tensor);
}

std::span<const std::int32_t> KeptTensors::until(std::int32_t tensor) const
{
  if (static_cast<std::size_t>(tensor) >= group_of_.size()) return {};
  const auto group = group_of_[static_cast<std::size_t>(tensor)];
  if (group < 0) return {};
  return groups_[static_cast<std::size_t>(group)];
}

bool is_closed(const SplitView& s, std::size_t first, std::size_t count, std::span<const std::size_t> outputs)
{
  for (std::size_t i = 0; i < count; ++i) {
    if (std::ranges::find(outputs, i) != outputs.end()) continue;
    const auto& t = s.node(first + i);
    const auto id = s.id(first + i);
    if (t.is_output) return false;
    std::int32_t uses = 0;
    for (auto j = i + 1; j < count; ++j) {
      for (const auto src : s.node(first + j).sources()) uses += src == id;
    }
    if (uses != s.use_count[static_cast<std::size_t>(id)]) return false;
    if (t.view_src < 0 || s.tensors[static_cast<std::size_t>(t.view_src)].leaf == Leaf::weight) continue;
    bool inside = false;
    for (std::size_t j = 0; j < count; ++j) inside = inside || s.id(first + j) == t.view_src;
    if (!inside) return false;
  }
  return true;
}

}  // namespace canirun
