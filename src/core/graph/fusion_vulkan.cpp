#include <algorithm>
#include <initializer_list>

#include "graph/fusion.hpp"
#include "graph/ops.hpp"

namespace canirun {
namespace {

using Pattern = std::initializer_list<Op>;

// ggml-vulkan-types.h: sequences of operations that one shader does, which must not be torn apart.
constexpr Pattern k_early_softmax_norm{Op::soft_max, Op::reshape,  Op::argsort, Op::view, Op::get_rows,
                                       Op::reshape,  Op::sum_rows, Op::clamp,   Op::div,  Op::reshape};
constexpr Pattern k_sigmoid_norm_bias{Op::unary,   Op::reshape,  Op::add,   Op::argsort, Op::view,   Op::get_rows,
                                      Op::reshape, Op::sum_rows, Op::clamp, Op::div,     Op::reshape};
constexpr Pattern k_sqrt_softplus_norm_bias{Op::unary,    Op::sqrt,    Op::reshape,  Op::add,   Op::argsort, Op::view,
                                            Op::get_rows, Op::reshape, Op::sum_rows, Op::clamp, Op::div,     Op::reshape};
constexpr Pattern k_early_softmax{Op::soft_max, Op::reshape, Op::argsort, Op::view, Op::get_rows};
constexpr Pattern k_late_softmax{Op::argsort, Op::view, Op::get_rows, Op::reshape, Op::soft_max, Op::reshape};
constexpr Pattern k_snake{Op::mul, Op::sin, Op::sqr, Op::mul, Op::add};
constexpr Pattern k_qsa{Op::get_rows, Op::permute, Op::cont, Op::cpy, Op::reshape, Op::add, Op::top_k};
constexpr Pattern k_norm_mul_add_mul{Op::rms_norm, Op::mul, Op::add, Op::mul};
constexpr Pattern k_norm_mul_add{Op::rms_norm, Op::mul, Op::add};
constexpr Pattern k_norm_mul_rope_store{Op::rms_norm, Op::mul, Op::rope, Op::view, Op::set_rows};
constexpr Pattern k_norm_store{Op::rms_norm, Op::view, Op::set_rows};
constexpr Pattern k_rope_store{Op::rope, Op::view, Op::set_rows};
constexpr std::array k_selections{k_early_softmax_norm, k_sigmoid_norm_bias, k_sqrt_softplus_norm_bias, k_early_softmax,
                                  k_late_softmax};
constexpr std::array k_others{k_snake,      k_qsa,       k_norm_mul_add_mul, k_norm_mul_add, k_norm_mul_rope_store,
                              k_norm_store, k_rope_store};

constexpr std::size_t k_look_ahead = 20;  // NUM_TO_CHECK
constexpr std::size_t k_look_partner = 15;

bool is_empty(const GraphTensor& t)
{
  return t.op == Op::none || t.op == Op::reshape || t.op == Op::transpose || t.op == Op::view || t.op == Op::permute;
}

/// ggml-vulkan.cpp: ggml_vk_graph_optimize.
class Reorder {
 public:
  Reorder(const SplitView& split, KeptTensors& kept) : s_(split), kept_(kept), used_(split.size(), false) {}

  void run()
  {
    order_.reserve(s_.size());
    while (first_ < s_.size()) {
      if (keep_selection() || keep_pattern()) continue;
      gather();
      for (const auto i : set_) take(i);
      skip_used();
    }
    std::vector<std::int32_t> ids(order_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) ids[i] = s_.id(order_[i]);
    std::ranges::copy(ids, s_.order.begin() + static_cast<std::ptrdiff_t>(s_.begin));
  }

 private:
  const GraphTensor& node(std::size_t i) const { return s_.node(i); }
  const GraphTensor& tensor(std::int32_t id) const { return s_.tensors[static_cast<std::size_t>(id)]; }
  bool is(std::size_t i, Op op) const { return node(i).op == op; }
  bool reads(std::size_t i, std::size_t src, std::size_t from) const { return node(i).src[src] == s_.id(from); }
  /// A leaf, or computed by what is already in order.
  bool ready(std::int32_t id) const
  {
    if (id < 0 || tensor(id).op == Op::none) return true;
    for (const auto i : order_) {
      if (s_.id(i) == id) return true;
    }
    return false;
  }
  std::int32_t base(std::int32_t id) const { return tensor(id).view_src >= 0 ? tensor(id).view_src : id; }

  void take(std::size_t i)
  {
    order_.push_back(i);
    used_[i] = true;
  }
  void skip_used()
  {
    while (first_ < s_.size() && used_[first_]) ++first_;
  }

  bool matches(Pattern pattern, std::size_t start) const
  {
    if (start + pattern.size() > s_.size()) return false;
    for (std::size_t j = 0; j < pattern.size(); ++j) {
      if (!is(start + j, pattern.begin()[j]) || used_[start + j]) return false;
    }
    return true;
  }

  bool keep_selection()
  {
    for (const auto& pattern : k_selections) {
      if (!matches(pattern, first_)) continue;
      auto last = first_ + pattern.size() - 1;
      if (last + 1 < s_.size() && is(last + 1, Op::scale)) ++last;
      std::vector<std::int32_t> inside;
      for (std::size_t j = 0; j < pattern.size(); ++j) {
        for (const auto src : node(first_ + j).sources()) {
          if (src < 0 || std::ranges::find(inside, src) != inside.end()) continue;
          inside.push_back(src);
          kept_.keep(src, s_.id(last));
        }
        inside.push_back(s_.id(first_ + j));
      }
      take_pattern(pattern);
      return true;
    }
    return false;
  }

  bool keep_pattern()
  {
    for (const auto& pattern : k_others) {
      if (!matches(pattern, first_)) continue;
      take_pattern(pattern);
      return true;
    }
    return false;
  }

  void take_pattern(Pattern pattern)
  {
    const auto start = first_;
    for (std::size_t j = 0; j < pattern.size(); ++j) take(start + j);
    skip_used();
  }

  bool starts_pattern(std::size_t i) const
  {
    const auto here = [&](Pattern p) { return matches(p, i); };
    if (std::ranges::any_of(k_selections, here) || std::ranges::any_of(k_others, here)) return true;
    for (std::size_t o = 1; o < k_qsa.size() && o <= i; ++o) {
      if (matches(k_qsa, i - o)) return true;
    }
    return false;
  }

  /// True when `later` must come after `earlier`.
  bool depends(std::size_t later, std::size_t earlier) const
  {
    const auto& a = node(later);
    const auto& b = node(earlier);
    const auto a_id = s_.id(later), b_id = s_.id(earlier);
    const bool real = !is_empty(a) && !is_empty(b);
    for (std::size_t i = 0; i < a.src.size(); ++i) {
      if (a.src[i] == b_id) return true;
      if (!real) continue;
      if (a.src[i] >= 0 && base(a.src[i]) == base(b_id)) return true;
      if (b.src[i] >= 0 && base(a_id) == base(b.src[i])) return true;
    }
    return base(a_id) == base(b_id);
  }

  bool quiet_between(std::size_t low, std::size_t high) const
  {
    for (auto v = low; v < high; ++v) {
      if (!used_[v] && !is_empty(node(v))) return false;
    }
    return true;
  }

  /// A dependency that one fused shader satisfies.
  bool fuses(std::size_t earlier, std::size_t later) const
  {
    if (earlier != set_.back()) return false;
    const auto a = node(earlier).op, b = node(later).op;
    if ((a == Op::rms_norm || a == Op::unary) && b == Op::mul) return quiet_between(earlier + 1, later);
    if (later != earlier + 1) return false;
    return (a == Op::mul_mat && b == Op::add) || (a == Op::mul_mat_id && (b == Op::add_id || b == Op::mul)) ||
           (a == Op::add && b == Op::add) || (a == Op::ssm_conv && (b == Op::add || b == Op::unary));
  }

  void gather()
  {
    set_.assign(1, first_);
    const auto end = std::min(first_ + k_look_ahead, s_.size());
    for (auto j = first_ + 1; j < end; ++j) {
      if (used_[j] || is_empty(node(j)) || starts_pattern(j)) continue;
      bool ok = true;
      for (auto c = first_; c < j && ok; ++c) ok = used_[c] || !depends(j, c) || fuses(c, j);
      if (ok) add_with_partners(j);
    }
    if (is(set_.back(), Op::add)) return;
    for (auto j = first_ + 1; j < end; ++j) {
      if (used_[j] || !is_empty(node(j))) continue;
      bool ok = true;
      for (auto c = first_; c < j && ok; ++c) {
        ok = used_[c] || !depends(j, c) || std::ranges::find(set_, c) != set_.end();
      }
      if (ok) set_.push_back(j);
    }
  }

  void pull(std::size_t i)
  {
    set_.push_back(i);
    used_[i] = true;
  }

  template <typename Match>
  void pull_first(std::size_t from, Match match)
  {
    for (auto k = from + 1; k < std::min(from + k_look_partner, s_.size()); ++k) {
      if (!match(k)) continue;
      pull(k);
      return;
    }
  }

  void add_with_partners(std::size_t j)
  {
    set_.push_back(j);
    auto rope = j;
    if (is(j, Op::mul) && is(j - 1, Op::rms_norm)) {
      pull_first(j, [&](std::size_t k) {
        const auto& t = node(k);
        if (t.op != Op::rope || !reads(k, 0, j) || tensor(t.src[1]).op != Op::none) return false;
        if (t.src[2] >= 0 && tensor(t.src[2]).op != Op::none) return false;
        rope = k;
        return true;
      });
    }
    if (is(rope, Op::rope) || is(rope, Op::rms_norm)) pull_store(rope);
    if (is(j, Op::add_id) && is(j - 1, Op::mul_mat_id)) {
      pull_first(j, [&](std::size_t k) { return is(k, Op::mul) && reads(k, 0, j) && ready(node(k).src[1]); });
    }
    if (is(j, Op::add) && is(j - 1, Op::mul_mat)) {
      pull_first(j, [&](std::size_t k) { return is(k, Op::add) && reads(k, 0, j) && ready(node(k).src[1]); });
    }
    if (is(j, Op::add) && is(j - 1, Op::ssm_conv)) {
      pull_first(j, [&](std::size_t k) { return is(k, Op::unary) && reads(k, 0, j); });
    }
    if (is(j, Op::unary)) {
      pull_first(j, [&](std::size_t k) {
        const auto& t = node(k);
        if (t.op != Op::mul || (!reads(k, 0, j) && !reads(k, 1, j))) return false;
        const auto other = reads(k, 0, j) ? t.src[1] : t.src[0];
        return ready(other) && other >= 0 && tensor(other).type == t.type && is_contiguous(tensor(other)) &&
               is_contiguous(tensor(node(j).src[0]));
      });
    }
  }

  /// The view and the store into the cache that follow a rotation, so that one shader does the three.
  void pull_store(std::size_t rope)
  {
    std::size_t view = 0, store = 0;
    for (auto k = rope + 1; k < std::min(rope + k_look_partner, s_.size()); ++k) {
      if (used_[k]) continue;
      if (view == 0 && is(k, Op::view) && reads(k, 0, rope)) {
        view = k;
      } else if (view != 0 && is(k, Op::set_rows) && reads(k, 0, view)) {
        store = k;
        break;
      }
    }
    if (store == 0) return;
    const auto once = [&](std::size_t i) { return s_.use_count[static_cast<std::size_t>(s_.id(i))] == 1 && !node(i).is_output; };
    if (!once(rope) || !once(view) || node(view).view_src != s_.id(rope)) return;
    for (auto c = rope + 1; c < store; ++c) {
      if (!used_[c] && c != view && !is_empty(node(c)) && depends(store, c)) return;
    }
    pull(view);
    pull(store);
  }

  const SplitView& s_;
  KeptTensors& kept_;
  std::vector<bool> used_;
  std::vector<std::size_t> order_;
  std::vector<std::size_t> set_;
  std::size_t first_ = 0;
};

}  // namespace

void optimize_for_vulkan(const SplitView& split, KeptTensors& kept) { Reorder(split, kept).run(); }

}  // namespace canirun
