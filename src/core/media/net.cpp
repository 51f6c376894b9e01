#include "media/net.hpp"

#include "graph/allocate.hpp"
#include "graph/backend_rules.hpp"

namespace canirun {

namespace {

// ggml_extend.hpp: keys and values of flash attention are padded to whole tiles.
constexpr std::uint64_t k_flash_tile = 256;

}  // namespace

std::uint64_t Net::n_params() const
{
  std::uint64_t sum = 0;
  for (const auto& w : weights_) sum += w.kind == WeightKind::position ? 0 : w.n_elements();
  return sum;
}

void Net::set_times(std::uint64_t times)
{
  times_ = times;
  spans_.emplace_back(graph_->tensors.size(), times);
}

NetWork Net::work() const
{
  NetWork sum{.flops = flops_};
  auto nodes = graph_->nodes;
  std::ranges::sort(nodes);
  std::size_t span = 0;
  double times = 1;
  for (const auto id : nodes) {
    const auto index = static_cast<std::size_t>(id);
    for (; span < spans_.size() && spans_[span].first <= index; ++span) times = static_cast<double>(spans_[span].second);
    const auto& t = graph_->tensors[index];
    if (t.op == Op::reshape || t.op == Op::view || t.op == Op::permute || t.op == Op::transpose) continue;
    auto bytes = n_bytes(t);
    for (const auto src : t.sources()) {
      if (src >= 0) bytes += n_bytes(graph_->tensors[static_cast<std::size_t>(src)]);
    }
    sum.bytes += times * static_cast<double>(bytes);
    sum.launches += times;
  }
  return sum;
}

void Net::declare(WeightKind kind, std::uint64_t row, std::uint64_t n_rows) { weights_.push_back({kind, row, n_rows, times_}); }

Ref Net::weight(WeightKind kind, const Shape& ne)
{
  declare(kind, ne[0], ne[1] * ne[2] * ne[3]);
  const auto type = kind == WeightKind::vector || kind == WeightKind::wide ? TensorType::f32 : TensorType::f16;
  return leaf(Leaf::weight, type, ne, 0);
}

Ref Net::in_place(Op op, Ref a, Ref b)
{
  const auto& x = at(a);
  const auto r = view_4d(a, x.ne, x.nb[1], x.nb[2], x.nb[3], 0);
  auto& t = (*graph_)[r];
  t.op = op;
  if (b) t.set_src(1, b.id);
  return r;
}

Ref Net::product(Ref a, Ref b)
{
  const auto r = mul_mat(a, b);
  flops_ += 2.0 * static_cast<double>(at(a).ne[0]) * static_cast<double>(n_elements(at(r))) * static_cast<double>(times_);
  return r;
}

Ref Net::linear(Ref x, std::uint64_t n_out, bool bias, WeightKind kind)
{
  const auto w = weight(kind, {at(x).ne[0], n_out, 1, 1});
  auto y = product(w, x);
  if (bias) y = finish(Op::add, y, weight(WeightKind::vector, {n_out, 1, 1, 1}));
  return y;
}

Ref Net::conv(Ref x, std::uint64_t n_out, std::uint64_t kernel, std::uint64_t stride)
{
  const auto ne = at(x).ne;
  const auto w = weight(WeightKind::kernel, {kernel, kernel, ne[2], n_out});
  const auto width = (ne[0] + stride - 1) / stride, height = (ne[1] + stride - 1) / stride;
  Ref y;
  if (options_.direct_conv || options_.eager) {
    y = custom(Op::conv_2d, TensorType::f32, {width, height, n_out, ne[3]}, {w, x});
    flops_ +=
        2.0 * static_cast<double>(kernel * kernel * ne[2]) * static_cast<double>(n_elements(at(y))) * static_cast<double>(times_);
  } else {
    // ggml_conv_2d: patches as rows of a matrix, a product, and the channels before the pixels again.
    const auto depth = kernel * kernel * ne[2];
    const auto patches = custom(Op::im2col, TensorType::f16, {depth, width, height, ne[3]}, {w, x});
    y = product(reshape(patches, depth, width * height * ne[3]), reshape(w, depth, n_out));
    y = cont(permute(reshape(y, width, height, ne[3], n_out), 0, 1, 3, 2));
  }
  return finish(Op::add, y, reshape(weight(WeightKind::vector, {n_out, 1, 1, 1}), 1, 1, n_out));
}

Ref Net::conv_1d(Ref x, std::uint64_t n_out, std::uint64_t kernel, std::uint64_t stride)
{
  const auto w = weight(WeightKind::kernel, {kernel, at(x).ne[1], n_out, 1});
  const auto patches = im2col_1d(w, x, stride, kernel / 2, 1);
  const auto y = product(patches, reshape(w, at(patches).ne[0], n_out));
  return add(y, reshape(weight(WeightKind::vector, {n_out, 1, 1, 1}), 1, n_out));
}

Ref Net::group_norm(Ref x)
{
  const auto channels = at(x).ne[2];
  const auto w = reshape(weight(WeightKind::vector, {channels, 1, 1, 1}), 1, 1, channels);
  const auto b = reshape(weight(WeightKind::vector, {channels, 1, 1, 1}), 1, 1, channels);
  return finish(Op::add, finish(Op::mul, GraphOps::group_norm(x), w), b);
}

Ref Net::layer_norm(Ref x, bool affine)
{
  auto y = norm(x);
  if (!affine) return y;
  const auto width = at(x).ne[0];
  y = finish(Op::mul, y, weight(WeightKind::vector, {width, 1, 1, 1}));
  return finish(Op::add, y, weight(WeightKind::vector, {width, 1, 1, 1}));
}

Ref Net::rms_norm(Ref x)
{
  const auto width = at(x).ne[0];
  return mul(GraphOps::rms_norm(x), weight(WeightKind::vector, {width, 1, 1, 1}));
}

Ref Net::embedding(Ref ids, std::uint64_t n_rows, std::uint64_t n_embd)
{
  return get_rows(weight(WeightKind::table, {n_embd, n_rows, 1, 1}), ids);
}

Ref Net::gelu_(Ref a) { return in_place(Op::unary, is_contiguous(at(a)) ? a : cont(a)); }

Ref Net::chunk(Ref x, std::uint64_t n, std::uint64_t i)
{
  const auto& t = at(x);
  return view_4d(x, {t.ne[0] / n, t.ne[1], t.ne[2], t.ne[3]}, t.nb[1], t.nb[2], t.nb[3], i * t.nb[0] * t.ne[0] / n);
}

Ref Net::apply_rope(Ref x, Ref pe)
{
  const auto head = at(x).ne[0], n_head = at(x).ne[1], n_tokens = at(x).ne[2], n = at(x).ne[3];
  if (options_.eager) {
    // models/embeddings.py: apply_rotary_emb: both products and their sum in F32.
    const Shape narrow{head, n_tokens, n_head * n, 1}, wide{2 * head, n_tokens, n_head * n, 1};
    const auto make = [&](const Shape& ne, std::initializer_list<Ref> src) { return custom(Op::mul, TensorType::f32, ne, src); };
    const auto turned = make(narrow, {x});
    const auto by_cos = make(wide, {make(wide, {x}), pe});
    const auto by_sin = make(wide, {make(wide, {turned}), pe});
    return make(narrow, {make(wide, {by_cos, by_sin, x})});
  }
  x = cont(permute(x, 0, 2, 1, 3));
  x = cont(permute(reshape(x, 2, head / 2, n_tokens, n_head * n), 3, 0, 1, 2));
  const auto part = [&](Ref pairs, std::uint64_t i) {
    const auto& t = at(pairs);
    return view_3d(pairs, t.ne[0], t.ne[1], t.ne[2], t.nb[1], t.nb[2], t.nb[2] * t.ne[2] * i);
  };
  const auto widen = [&](Ref half) {
    return repeat(reshape(half, 1, head / 2, n_tokens, n_head * n), 2, head / 2, n_tokens, n_head * n);
  };
  const auto x_0 = widen(part(x, 0)), x_1 = widen(part(x, 1));
  const auto angles = cont(permute(pe, 3, 0, 1, 2));
  const auto y = in_place(Op::add, mul(x_0, part(angles, 0)), mul(x_1, part(angles, 1)));
  return reshape(y, head, n_tokens, n_head * n);
}

/// q [head, L_q, n_head], k [head, L_k, n_head], v [head, n_head, L_k].
Ref Net::attend(Ref q, Ref k, Ref v, std::uint64_t n_head)
{
  const auto head = at(q).ne[0], n_q = at(q).ne[1], n_k = at(k).ne[1];
  const auto flops = 4.0 * static_cast<double>(head * n_head) * static_cast<double>(n_q) * static_cast<double>(n_k) *
                     static_cast<double>(times_);
  if (options_.eager) {
    // scaled_dot_product_attention reads any strides; its result is copied into rows.
    flops_ += flops;
    const auto out = custom(Op::flash_attn_ext, TensorType::f32, {head, n_head, n_q, 1}, {q, k, v});
    return reshape(cont(out), head * n_head, n_q);
  }
  if (options_.flash_attn) {
    const auto padding = (k_flash_tile - n_k % k_flash_tile) % k_flash_tile;
    const auto mark = graph_->tensors.size();
    Ref mask;
    auto keys = padding ? pad(k, 0, padding) : k;
    keys = cast(keys, TensorType::f16);
    auto values = reshape(cont(permute(v, 0, 2, 1, 3)), head, n_k, n_head);
    if (padding) values = pad(values, 0, padding);
    values = cast(values, TensorType::f16);
    if (padding) mask = cast(custom(Op::repeat, TensorType::f32, {n_k + padding, n_q, 1, 1}, {}), TensorType::f16);
    const auto out = flash_attn_ext(q, keys, values, mask);
    if (supports(options_.backend, graph_->tensors, at(out))) {
      flops_ += flops;
      return reshape(cont(out), head * n_head, n_q);
    }
    graph_->tensors.resize(mark);  // nothing refers to the attempt
  }
  const auto values = reshape(cont(permute(v, 1, 2, 0, 3)), n_k, head, n_head);
  auto scores = in_place(Op::scale, product(k, q));
  scores = in_place(Op::soft_max, scores);
  const auto y = product(values, scores);
  return reshape(cont(permute(reshape(y, head, n_q, n_head), 0, 2, 1, 3)), head * n_head, n_q);
}

Ref Net::attention(Ref q, Ref k, Ref v, std::uint64_t n_head)
{
  const auto n_q = at(q).ne[1], n_k = at(k).ne[1], head = at(q).ne[0] / n_head;
  const auto heads = [&](Ref x, std::uint64_t n) {
    return reshape(packed(permute(reshape(x, head, n_head, n), 0, 2, 1, 3)), head, n, n_head);
  };
  const auto q_heads = heads(q, n_q), k_heads = heads(k, n_k);
  return attend(q_heads, k_heads, reshape(v, head, n_head, n_k), n_head);
}

Ref Net::rope_attention(Ref q, Ref k, Ref v, Ref pe)
{
  const auto n_head = at(q).ne[1];
  const auto q_turned = apply_rope(q, pe), k_turned = apply_rope(k, pe);
  return attend(q_turned, k_turned, v, n_head);
}

namespace {

/// Embedding::support_get_rows: the types that rows can be looked up in on every backend.
bool has_row_lookup(TensorType type)
{
  switch (type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::q8_0:
    case TensorType::q5_1:
    case TensorType::q5_0:
    case TensorType::q4_1:
    case TensorType::q4_0: return true;
    default: return false;
  }
}

TensorType stored_type(const NetWeight& w, TensorType type, TensorType published)
{
  const auto whole_rows = w.row % traits(type).block_weights == 0;
  switch (w.kind) {
    case WeightKind::matrix:
    case WeightKind::scales: return whole_rows ? type : published;
    case WeightKind::kept: return published;
    case WeightKind::kernel: return TensorType::f16;
    case WeightKind::table: return has_row_lookup(type) && whole_rows ? type : TensorType::f32;
    case WeightKind::wide:
    case WeightKind::position:
    case WeightKind::vector: return TensorType::f32;
  }
  return type;
}

}  // namespace

std::uint64_t stored_bytes(std::span<const NetWeight> weights, TensorType type, TensorType published)
{
  std::uint64_t sum = 0;
  for (const auto& w : weights) sum += w.count * w.n_rows * row_size(stored_type(w, type, published), w.row).count;
  return sum;
}

std::uint64_t stored_bytes(std::span<const NetWeight> weights, CheckpointType type)
{
  std::uint64_t sum = 0;
  for (const auto& w : weights) {
    const bool cast = w.kind == WeightKind::matrix || w.kind == WeightKind::kernel;
    const auto bytes = type == CheckpointType::f32 ? 4 : type == CheckpointType::fp8 && cast ? 1 : 2;
    sum += w.n_elements() * static_cast<std::uint64_t>(bytes);
  }
  return sum;
}

Graph& scratch_graph()
{
  thread_local Graph graph;
  graph.clear();
  return graph;
}

std::uint64_t buffer_bytes(const Graph& graph, Backend backend)
{
  thread_local Schedule schedule;
  thread_local GraphAllocator allocator;
  schedule.backend = backend;
  schedule.n_gpus = backend == Backend::cpu ? 0 : 1;
  schedule.tensors = graph.tensors;
  schedule.home.assign(graph.tensors.size(), -1);
  schedule.device.assign(graph.tensors.size(), 0);
  schedule.leafs.clear();
  schedule.steps.clear();
  for (std::size_t i = 0; i < graph.tensors.size(); ++i) {
    const auto leaf = graph.tensors[i].leaf;
    if (leaf == Leaf::weight || leaf == Leaf::kv_cache) schedule.home[i] = 0;
  }
  for (const auto id : graph.leafs) schedule.leafs.push_back({id, 0});
  for (const auto id : graph.nodes) schedule.steps.push_back({id, 0});
  return allocator.reserve(schedule).front();
}

}  // namespace canirun
