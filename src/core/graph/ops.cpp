#include "graph/ops.hpp"

#include <algorithm>

namespace canirun {
namespace {

constexpr Ref k_declared{0};  ///< What operations return when nothing is recorded.

Shape contiguous_strides(TensorType type, const Shape& ne)
{
  const auto& block = traits(type);
  Shape nb{block.block_bytes, 0, 0, 0};
  nb[1] = block.block_bytes * (ne[0] / block.block_weights);
  nb[2] = nb[1] * ne[1];
  nb[3] = nb[2] * ne[2];
  return nb;
}

}  // namespace

std::uint64_t n_elements(const GraphTensor& t) { return t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3]; }

bool is_contiguous(const GraphTensor& t)
{
  const auto nb = contiguous_strides(t.type, t.ne);
  for (std::size_t i = 0; i < 4; ++i) {
    if (t.ne[i] != 1 && t.nb[i] != nb[i]) return false;  // the stride of an axis of one element is never used
  }
  return true;
}

const GraphTensor& GraphOps::at(Ref r) const
{
  static const GraphTensor placeholder{.nb = {4, 4, 4, 4}};
  return graph_ ? (*graph_)[r] : placeholder;
}

Ref GraphOps::declared(Op op, const Shape& ne)
{
  note(static_cast<std::uint64_t>(op));
  for (const auto n : ne) note(n);
  return k_declared;
}

Ref GraphOps::make(Op op, TensorType type, const Shape& ne, std::initializer_list<Ref> src)
{
  if (!graph_) {
    for (const auto s : src) note(s ? 1 : 2);
    return declared(op, ne);
  }
  const auto nb = contiguous_strides(type, ne);
  const auto shape = ne;  // `ne` may be another tensor's, which moves
  auto& t = graph_->append();
  t.op = op;
  t.type = type;
  t.ne = shape;
  t.nb = nb;
  t.n_src = static_cast<std::uint8_t>(src.size());
  std::ranges::transform(src, t.src.begin(), &Ref::id);
  return graph_->last();
}

Ref GraphOps::like(Op op, Ref a, std::initializer_list<Ref> src)
{
  if (!graph_) {
    for (const auto s : src) note(s ? 1 : 2);
    note(static_cast<std::uint64_t>(op));
    return k_declared;
  }
  return make(op, at(a).type, at(a).ne, src);  // ggml_dup_tensor: same type and shape, contiguous
}

Ref GraphOps::view_of(Op op, Ref a, const Shape& ne, const Shape& nb, std::uint64_t offset)
{
  if (!graph_) return declared(op, ne);
  const auto shape = ne, strides = nb;  // these may be another tensor's, which moves
  auto& t = graph_->append();
  const auto& source = at(a);
  t.op = op;
  t.type = source.type;
  t.ne = shape;
  t.nb = strides;
  t.view_src = source.view_src >= 0 ? source.view_src : a.id;
  t.view_offs = source.view_offs + offset;
  t.set_src(0, a.id);
  return graph_->last();
}

Ref GraphOps::alias(Op op, Ref a, std::initializer_list<Ref> src)
{
  if (!graph_) return declared(op, {});
  const auto r = view_of(op, a, at(a).ne, at(a).nb, 0);
  std::size_t i = 0;
  for (const auto s : src) (*graph_)[r].set_src(i++, s.id);
  return r;
}

Ref GraphOps::input(TensorType type, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t ne2, std::uint64_t ne3)
{
  if (!graph_) return declared(Op::none, {ne0, ne1, ne2, ne3});
  const auto r = make(Op::none, type, {ne0, ne1, ne2, ne3}, {});
  (*graph_)[r].leaf = Leaf::input;
  (*graph_)[r].is_input = true;
  return r;
}

Ref GraphOps::leaf(Leaf kind, TensorType type, const Shape& ne, std::int32_t layer, std::int32_t weight)
{
  if (!graph_) return declared(Op::none, ne);
  const auto r = make(Op::none, type, ne, {});
  auto& t = (*graph_)[r];
  t.leaf = kind;
  t.layer = static_cast<std::int16_t>(layer);
  t.weight = weight;
  return r;
}

void GraphOps::expand(Ref root)
{
  if (graph_) graph_->build_forward_expand(root);
  else note(3);
}

void GraphOps::set_output(Ref r)
{
  if (graph_) (*graph_)[r].is_output = true;
  else note(4);
}

void GraphOps::tag(Ref r, NodeTag tag, std::uint32_t layer)
{
  if (!graph_) {
    note(5 + static_cast<std::uint64_t>(tag));
    return;
  }
  (*graph_)[r].tag = tag;
  (*graph_)[r].layer = static_cast<std::int16_t>(layer);
}

void GraphOps::prec_src_f32(Ref r)
{
  if (graph_) (*graph_)[r].prec_f32 = true;
  else note(20);
}

Ref GraphOps::add(Ref a, Ref b) { return like(Op::add, a, {a, b}); }
Ref GraphOps::sub(Ref a, Ref b) { return like(Op::sub, a, {a, b}); }
Ref GraphOps::mul(Ref a, Ref b) { return like(Op::mul, a, {a, b}); }
Ref GraphOps::div(Ref a, Ref b) { return like(Op::div, a, {a, b}); }
Ref GraphOps::add1(Ref a, Ref b) { return like(Op::add1, a, {a, b}); }
Ref GraphOps::add_id(Ref a, Ref b, Ref ids) { return like(Op::add_id, a, {a, b, ids}); }
Ref GraphOps::scale(Ref a) { return like(Op::scale, a, {a}); }
Ref GraphOps::add_inplace(Ref a, Ref b) { return alias(Op::add, a, {a, b}); }
Ref GraphOps::scale_inplace(Ref a) { return alias(Op::scale, a, {a}); }
Ref GraphOps::sqr(Ref a) { return like(Op::sqr, a, {a}); }
Ref GraphOps::sqrt(Ref a) { return like(Op::sqrt, a, {a}); }
Ref GraphOps::log(Ref a) { return like(Op::log, a, {a}); }
Ref GraphOps::sin(Ref a) { return like(Op::sin, a, {a}); }
Ref GraphOps::cos(Ref a) { return like(Op::cos, a, {a}); }
Ref GraphOps::clamp(Ref a) { return like(Op::clamp, a, {a}); }
Ref GraphOps::unary(Ref a) { return like(Op::unary, a, {a}); }
Ref GraphOps::norm(Ref a) { return like(Op::norm, a, {a}); }
Ref GraphOps::rms_norm(Ref a) { return like(Op::rms_norm, a, {a}); }
Ref GraphOps::group_norm(Ref a) { return like(Op::group_norm, a, {a}); }
Ref GraphOps::l2_norm(Ref a) { return like(Op::l2_norm, a, {a}); }
Ref GraphOps::soft_max(Ref a, Ref mask, Ref sinks) { return like(Op::soft_max, a, {a, mask, sinks}); }
Ref GraphOps::rope(Ref a, Ref pos, Ref freq_factors) { return like(Op::rope, a, {a, pos, freq_factors}); }
Ref GraphOps::cumsum(Ref a) { return like(Op::cumsum, a, {a}); }
Ref GraphOps::fill(Ref a) { return like(Op::fill, a, {a}); }
Ref GraphOps::tri(Ref a) { return like(Op::tri, a, {a}); }
Ref GraphOps::roll(Ref a) { return like(Op::roll, a, {a}); }
Ref GraphOps::diag_mask_inf(Ref a) { return like(Op::diag_mask_inf, a, {a}); }

Ref GraphOps::glu(Ref a)
{
  auto ne = at(a).ne;
  ne[0] /= 2;
  return make(Op::glu, at(a).type, ne, {a});
}

Ref GraphOps::glu_split(Ref a, Ref b) { return like(Op::glu, a, {a, b}); }

Ref GraphOps::mul_mat(Ref a, Ref b)
{
  const auto& x = at(b);
  return make(Op::mul_mat, TensorType::f32, {at(a).ne[1], x.ne[1], x.ne[2], x.ne[3]}, {a, b});
}

Ref GraphOps::mul_mat_id(Ref as, Ref b, Ref ids)
{
  return make(Op::mul_mat_id, TensorType::f32, {at(as).ne[1], at(ids).ne[0], at(b).ne[2], 1}, {as, b, ids});
}

Ref GraphOps::out_prod(Ref a, Ref b)
{
  const auto& x = at(b);
  return make(Op::out_prod, TensorType::f32, {at(a).ne[0], x.ne[0], x.ne[2], x.ne[3]}, {a, b});
}

Ref GraphOps::sum_rows(Ref a)
{
  const auto& ne = at(a).ne;
  return make(Op::sum_rows, at(a).type, {1, ne[1], ne[2], ne[3]}, {a});
}

Ref GraphOps::mean(Ref a)
{
  const auto& ne = at(a).ne;
  return make(Op::mean, TensorType::f32, {1, ne[1], ne[2], ne[3]}, {a});
}

Ref GraphOps::repeat(Ref a, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t ne2, std::uint64_t ne3)
{
  return make(Op::repeat, at(a).type, {ne0, ne1, ne2, ne3}, {a});
}

Ref GraphOps::repeat_like(Ref a, Ref b) { return make(Op::repeat, at(a).type, at(b).ne, {a}); }

Ref GraphOps::concat(Ref a, Ref b, int dim)
{
  auto ne = at(a).ne;
  ne[static_cast<std::size_t>(dim)] += at(b).ne[static_cast<std::size_t>(dim)];
  return make(Op::concat, at(a).type, ne, {a, b});
}

Ref GraphOps::pad(Ref a, std::uint64_t p0, std::uint64_t p1, std::uint64_t p2, std::uint64_t p3)
{
  const auto& ne = at(a).ne;
  return make(Op::pad, at(a).type, {ne[0] + p0, ne[1] + p1, ne[2] + p2, ne[3] + p3}, {a});
}

Ref GraphOps::get_rows(Ref a, Ref rows)
{
  const auto type = at(a).type == TensorType::i32 ? TensorType::i32 : TensorType::f32;
  const auto& r = at(rows).ne;
  return make(Op::get_rows, type, {at(a).ne[0], r[0], r[1], r[2]}, {a, rows});
}

Ref GraphOps::set_rows(Ref a, Ref b, Ref rows) { return alias(Op::set_rows, a, {b, rows, a}); }

Ref GraphOps::argsort(Ref a) { return make(Op::argsort, TensorType::i32, at(a).ne, {a}); }

Ref GraphOps::argsort_top_k(Ref a, std::uint64_t k)
{
  const auto sorted = argsort(a);
  const auto& t = at(sorted);
  return view_4d(sorted, {k, t.ne[1], t.ne[2], t.ne[3]}, t.nb[1], t.nb[2], t.nb[3], 0);
}

Ref GraphOps::top_k(Ref a, std::uint64_t k)
{
  const auto& ne = at(a).ne;
  return make(Op::top_k, TensorType::i32, {k, ne[1], ne[2], ne[3]}, {a});
}

Ref GraphOps::diag(Ref a)
{
  const auto& ne = at(a).ne;
  return make(Op::diag, at(a).type, {ne[0], ne[0], ne[2], ne[3]}, {a});
}

Ref GraphOps::arange(std::uint64_t n) { return make(Op::arange, TensorType::f32, {n, 1, 1, 1}, {}); }

Ref GraphOps::solve_tri(Ref a, Ref b) { return make(Op::solve_tri, TensorType::f32, at(b).ne, {a, b}); }

Ref GraphOps::im2col_1d(Ref kernel, Ref data, std::uint64_t stride, std::uint64_t padding, std::uint64_t dilation)
{
  const auto& k = at(kernel);
  const auto& x = at(data);
  const auto span = dilation * (k.ne[0] - 1) + 1;
  const auto padded = x.ne[0] + 2 * padding;
  const auto width = padded < span ? 0 : (padded - span) / stride + 1;
  const auto type = k.type == TensorType::bf16 ? TensorType::f32 : TensorType::f16;
  return make(Op::im2col, type, {k.ne[1] * k.ne[0], width, x.ne[2], 1}, {kernel, data});
}

Ref GraphOps::reshape(Ref a, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t ne2, std::uint64_t ne3)
{
  const Shape ne{ne0, ne1, ne2, ne3};
  return view_of(Op::reshape, a, ne, contiguous_strides(at(a).type, ne), 0);
}

Ref GraphOps::view_1d(Ref a, std::uint64_t ne0, std::uint64_t offset)
{
  const Shape ne{ne0, 1, 1, 1};
  return view_of(Op::view, a, ne, contiguous_strides(at(a).type, ne), offset);
}

Ref GraphOps::view_2d(Ref a, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t nb1, std::uint64_t offset)
{
  return view_of(Op::view, a, {ne0, ne1, 1, 1}, {traits(at(a).type).block_bytes, nb1, nb1 * ne1, nb1 * ne1}, offset);
}

Ref GraphOps::view_3d(Ref a, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t ne2, std::uint64_t nb1, std::uint64_t nb2,
                      std::uint64_t offset)
{
  return view_of(Op::view, a, {ne0, ne1, ne2, 1}, {traits(at(a).type).block_bytes, nb1, nb2, nb2 * ne2}, offset);
}

Ref GraphOps::view_4d(Ref a, const Shape& ne, std::uint64_t nb1, std::uint64_t nb2, std::uint64_t nb3, std::uint64_t offset)
{
  return view_of(Op::view, a, ne, {traits(at(a).type).block_bytes, nb1, nb2, nb3}, offset);
}

Ref GraphOps::permute(Ref a, int axis0, int axis1, int axis2, int axis3)
{
  const std::array axes{axis0, axis1, axis2, axis3};
  Shape ne{}, nb{};
  for (std::size_t i = 0; i < 4; ++i) {
    ne[static_cast<std::size_t>(axes[i])] = at(a).ne[i];
    nb[static_cast<std::size_t>(axes[i])] = at(a).nb[i];
  }
  return view_of(Op::permute, a, ne, nb, 0);
}

Ref GraphOps::transpose(Ref a)
{
  auto ne = at(a).ne, nb = at(a).nb;
  std::swap(ne[0], ne[1]);
  std::swap(nb[0], nb[1]);
  return view_of(Op::transpose, a, ne, nb, 0);
}

Ref GraphOps::cont(Ref a) { return like(Op::cont, a, {a}); }

Ref GraphOps::cont(Ref a, std::uint64_t ne0, std::uint64_t ne1, std::uint64_t ne2, std::uint64_t ne3)
{
  return make(Op::cont, at(a).type, {ne0, ne1, ne2, ne3}, {a});
}

Ref GraphOps::dup(Ref a) { return like(Op::dup, a, {a}); }

Ref GraphOps::cast(Ref a, TensorType type)
{
  if (!graph_) return k_declared;
  const auto r = make(Op::cpy, type, at(a).ne, {a});
  (*graph_)[r].set_src(1, r.id);  // ggml_cast names itself as the destination
  return r;
}

Ref GraphOps::cpy(Ref a, Ref b) { return alias(Op::cpy, b, {a, b}); }

Ref GraphOps::flash_attn_ext(Ref q, Ref k, Ref v, Ref mask, Ref sinks)
{
  const auto& ne = at(q).ne;
  return make(Op::flash_attn_ext, TensorType::f32, {at(v).ne[0], ne[2], ne[1], ne[3]}, {q, k, v, mask, sinks});
}

Ref GraphOps::ssm_conv(Ref sx, Ref kernel)
{
  const auto& x = at(sx);
  const auto& c = at(kernel);
  return make(Op::ssm_conv, TensorType::f32, {c.ne[1], x.ne[0] - c.ne[0] + 1, x.ne[2], 1}, {sx, kernel});
}

Ref GraphOps::ssm_scan(Ref s, Ref x, Ref dt, Ref a, Ref b, Ref c, Ref ids, std::uint64_t n_snapshots)
{
  const auto& state = at(s).ne;
  const auto n = n_elements(at(x)) + n_snapshots * state[0] * state[1] * state[2] * at(ids).ne[0];
  return make(Op::ssm_scan, TensorType::f32, {n, 1, 1, 1}, {s, x, dt, a, b, c, ids});
}

namespace {

/// Output and new state in one tensor: [S·H, n_tokens + S·n_seqs] (ggml_rwkv_wkv6 and its relatives).
Shape wkv_shape(const GraphTensor& k, const GraphTensor& state)
{
  return {k.ne[0] * k.ne[1], k.ne[2] + k.ne[0] * state.ne[1], 1, 1};
}

}  // namespace

Ref GraphOps::rwkv_wkv6(Ref k, Ref v, Ref r, Ref tf, Ref td, Ref state)
{
  return make(Op::rwkv_wkv6, TensorType::f32, wkv_shape(at(k), at(state)), {k, v, r, tf, td, state});
}

Ref GraphOps::rwkv_wkv7(Ref r, Ref w, Ref k, Ref v, Ref a, Ref b, Ref state)
{
  return make(Op::rwkv_wkv7, TensorType::f32, wkv_shape(at(k), at(state)), {r, w, k, v, a, b, state});
}

Ref GraphOps::gated_linear_attn(Ref k, Ref v, Ref q, Ref g, Ref state)
{
  return make(Op::gated_linear_attn, TensorType::f32, wkv_shape(at(k), at(state)), {k, v, q, g, state});
}

Ref GraphOps::gated_delta_net(Ref q, Ref k, Ref v, Ref g, Ref beta, Ref state, std::uint64_t n_snapshots)
{
  const auto& x = at(v).ne;
  const Shape ne{x[0] * x[1], x[2] * x[3] + n_snapshots * x[0] * x[3], 1, 1};
  return make(Op::gated_delta_net, TensorType::f32, ne, {q, k, v, g, beta, state});
}

Ref GraphOps::lightning_indexer(Ref q, Ref k, Ref weights, Ref mask)
{
  return make(Op::lightning_indexer, TensorType::f32, {at(k).ne[2], at(q).ne[2], 1, at(q).ne[3]}, {q, k, weights, mask});
}

Ref GraphOps::custom(Op op, TensorType type, const Shape& ne, std::initializer_list<Ref> src) { return make(op, type, ne, src); }

}  // namespace canirun
