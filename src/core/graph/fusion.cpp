#include "graph/fusion.hpp"

#include <algorithm>

#include "graph/ops.hpp"

namespace canirun {
namespace {

constexpr std::size_t k_max_reduced_experts = 15;  // ggml-cuda.cu: MOE_WEIGHTED_REDUCTION_MAX_EXPERTS

bool same_shape(const GraphTensor& a, const GraphTensor& b) { return a.ne == b.ne; }

/// How an expert selection is laid out in the graph, from its gating function to the weights of the experts.
struct TopK {
  std::size_t count = 0;  ///< Nodes.
  std::size_t ids = 0;    ///< The view of the sorted experts: an output.
};

/// ggml-cuda.cu: ggml_cuda_topk_moe_fusion, for softmax or sigmoid before the selection.
bool match_top_k(const SplitView& s, std::size_t first, TopK& match)
{
  auto i = first;
  const auto is = [&](std::size_t at, Op op) { return at < s.size() && s.node(at).op == op; };
  const auto reads = [&](std::size_t at, std::size_t src, std::size_t from) { return s.node(at).src[src] == s.id(from); };
  if (is(i, Op::unary) && is(i + 1, Op::sqrt) && reads(i + 1, 0, i)) ++i;  // sqrt(softplus(x))
  const auto probs = i++;
  if (!is(i, Op::reshape) || !reads(i, 0, probs)) return false;
  const auto reshaped = i++;
  auto selection = probs;
  if (is(i, Op::add) && reads(i, 0, probs)) selection = i++;
  if (!is(i, Op::argsort) || !reads(i, 0, selection)) return false;
  ++i;
  if (!is(i, Op::view) || !reads(i, 0, i - 1)) return false;
  const auto ids = i++;
  if (!is(i, Op::get_rows) || !reads(i, 0, reshaped) || !reads(i, 1, ids)) return false;
  ++i;
  // Weights scaled to sum 1.
  const auto chained = [&](std::size_t at, Op op) { return is(at, op) && reads(at, 0, at - 1); };
  if (chained(i, Op::reshape) && chained(i + 1, Op::sum_rows) && chained(i + 2, Op::clamp) && is(i + 3, Op::div) &&
      reads(i + 3, 1, i + 2) && reads(i + 3, 0, i) && chained(i + 4, Op::reshape)) {
    i += 5;
  }
  if (chained(i, Op::scale)) ++i;
  match = {.count = i - first, .ids = ids};
  return true;
}

/// topk-moe.cu: ggml_cuda_should_use_topk_moe: there is a kernel for this number of experts.
bool has_top_k_kernel(const SplitView& s, std::size_t first, const TopK& match)
{
  const auto& gating = s.node(first);
  const auto& ids = s.node(match.ids);
  const auto n = ids.nb[1] / ids.nb[0];
  const bool power = (n & (n - 1)) == 0 && n <= 512;
  if (!power && n != 288 && n != 576) return false;
  const auto source = gating.src[0];
  if (source < 0 || !is_contiguous(s.tensors[static_cast<std::size_t>(source)])) return false;
  if (gating.op == Op::soft_max && (gating.src[1] >= 0 || gating.src[2] >= 0)) return false;
  return is_contiguous(s.node(first + match.count - 1));
}

struct Reduction {
  std::int32_t experts = -1, scale = -1, weights = -1;
  std::size_t count = 0;
};

/// A product of experts' results with one number an expert.
bool split_product(const SplitView& s, const GraphTensor& mul, std::int32_t& full, std::int32_t& factor)
{
  const auto tensor = [&](std::int32_t id) -> const GraphTensor& { return s.tensors[static_cast<std::size_t>(id)]; };
  const auto is_factor = [&](std::int32_t id) {
    if (id < 0) return false;
    const auto& t = tensor(id);
    return t.type == TensorType::f32 && is_contiguous(t) && t.ne[0] == 1 && t.ne[1] == mul.ne[1] && t.ne[2] == mul.ne[2] &&
           t.ne[3] == mul.ne[3];
  };
  const auto is_full = [&](std::int32_t id) {
    return id >= 0 && tensor(id).type == TensorType::f32 && is_contiguous(tensor(id)) && same_shape(tensor(id), mul);
  };
  for (const auto& [a, b] : {std::pair{mul.src[0], mul.src[1]}, std::pair{mul.src[1], mul.src[0]}}) {
    if (!is_full(a) || !is_factor(b)) continue;
    full = a;
    factor = b;
    return true;
  }
  return false;
}

/// ggml-cuda.cu: ggml_cuda_match_moe_weighted_reduction: weighted experts, then views of them added up.
bool match_reduction(const SplitView& s, std::size_t first, Reduction& match)
{
  const auto& head = s.node(first);
  if (head.op != Op::mul || head.type != TensorType::f32 || !is_contiguous(head)) return false;
  auto weighted = first;
  std::size_t n_mul = 1;
  match = {};
  if (first + 1 < s.size()) {
    const auto& second = s.node(first + 1);
    std::int32_t scaled = -1, route = -1, raw = -1, scale = -1;
    if (second.op == Op::mul && second.type == TensorType::f32 && is_contiguous(second) &&
        split_product(s, second, scaled, route) && scaled == s.id(first) && split_product(s, head, raw, scale)) {
      weighted = first + 1;
      n_mul = 2;
      match = {.experts = raw, .scale = scale, .weights = route};
    }
  }
  if (match.experts < 0 && !split_product(s, head, match.experts, match.weights)) return false;
  const auto& w = s.node(weighted);
  const auto n_used = w.ne[1];
  const auto n_tokens = w.ne[2] * w.ne[3];
  if (n_used < 2 || n_used > k_max_reduced_experts || n_tokens == 0) return false;
  match.count = 2 * n_used + n_mul - 1;
  if (first + match.count > s.size()) return false;

  std::vector<std::int32_t> views;
  std::int32_t previous = -1;
  std::size_t n_adds = 0;
  for (auto i = first + n_mul; i < first + match.count; ++i) {
    const auto& t = s.node(i);
    if (t.op == Op::view) {
      if (views.size() >= n_used || t.src[0] != s.id(weighted) || t.view_src != s.id(weighted) || t.ne[0] != w.ne[0] ||
          t.ne[1] != n_tokens || t.ne[2] != 1 || t.ne[3] != 1 || t.nb[1] != w.nb[2] || t.view_offs != views.size() * w.nb[1]) {
        return false;
      }
      views.push_back(s.id(i));
      continue;
    }
    if (t.op != Op::add || views.size() < 2 || n_adds + 1 >= views.size()) return false;
    if (t.src[0] != (n_adds == 0 ? views[0] : previous) || t.src[1] != views[n_adds + 1] || t.type != TensorType::f32)
      return false;
    previous = s.id(i);
    ++n_adds;
  }
  if (views.size() != n_used || n_adds != n_used - 1 || previous < 0) return false;
  const auto last = match.count - 1;
  return is_closed(s, first, match.count, std::span(&last, 1));
}

}  // namespace

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

/// ggml-cuda.cu: ggml_backend_cuda_graph_optimize.
void optimize_for_cuda(const SplitView& s, KeptTensors& kept)
{
  for (std::size_t i = 0; i < s.size(); ++i) {
    Reduction reduction;
    if (s.node(i).op == Op::mul && match_reduction(s, i, reduction)) {
      const auto until = s.id(i + reduction.count - 1);
      kept.keep(reduction.experts, until);
      kept.keep(reduction.weights, until);
      if (reduction.scale >= 0) kept.keep(reduction.scale, until);
      i += reduction.count - 1;
    }
    const auto op = s.node(i).op;
    TopK top_k;
    if ((op != Op::unary && op != Op::soft_max) || !match_top_k(s, i, top_k) || !has_top_k_kernel(s, i, top_k)) continue;
    const std::array outputs{top_k.ids - i, top_k.count - 1};
    if (!is_closed(s, i, top_k.count, outputs)) continue;
    const auto after = i + top_k.count;
    if (s.begin + after >= s.order.size()) continue;
    for (auto j = i; j < after; ++j) {
      kept.keep(s.id(j), s.id(after));
      for (const auto src : s.node(j).sources()) {
        if (src >= 0) kept.keep(src, s.id(after));
      }
    }
    i = after - 1;
  }
}

}  // namespace canirun
