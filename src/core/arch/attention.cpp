#include <algorithm>

#include "arch/builder.hpp"

namespace canirun {
namespace {

/// The largest power of two from 64 on that divides the head (llama-kv-cache.cpp: build_input_k_rot).
std::uint64_t rotation_size(std::uint64_t head)
{
  std::uint64_t n = 64;
  while (head % (2 * n) == 0) n *= 2;
  return n;
}

}  // namespace

std::uint64_t Builder::kv_cells(bool swa) const
{
  return swa ? sliding_cells(model_, request_.shape, request_.swa_full) : request_.shape.n_ctx_seq;
}

Ref Builder::cache(CacheKind kind, std::uint32_t il)
{
  if (!recording()) {
    note(static_cast<std::uint64_t>(kind));
    note(il == layer_now_ ? k_global : il);
    return Ref{0};
  }
  auto& made = caches_.at(il)[static_cast<std::size_t>(kind)];
  if (made) return made;
  const auto is_v = kind == CacheKind::v;
  auto width = is_v ? model_.n_embd_v_gqa(il) : model_.n_embd_k_gqa(il);
  if (kind == CacheKind::indexer_k) width = model_.sparse ? model_.sparse->index_dim : model_.mla->indexer_head_dim;
  if (is_v && request_.v_transposed) width = model_.n_embd_v_gqa_max();  // the transposed V is padded to the widest layer
  made = leaf(Leaf::kv_cache, is_v ? request_.type_v : request_.type_k,
              {width, kv_cells(model_.is_swa(il)), request_.shape.n_stream, 1}, static_cast<std::int32_t>(il));
  return made;
}

// Inputs that no operation uses do not get into the graph: the order of their making does not matter, that of their use does.
CacheInput Builder::cache_input(bool swa, bool with_v, bool rotated)
{
  const auto& shape = request_.shape;
  CacheInput in;
  in.k_idxs = input(TensorType::i64, n_tokens_);
  // A transposed V has one index for each of its elements.
  if (with_v) in.v_idxs = input(TensorType::i64, n_tokens_ * (request_.v_transposed ? model_.n_embd_v_gqa_max() : 1));
  in.mask = input(request_.flash_attn ? TensorType::f16 : TensorType::f32, kv_cells(swa), n_tokens_ / shape.n_stream, 1,
                  shape.n_stream);
  if (!rotated) return in;
  // llama-kv-cache.cpp: attn_rot_k, attn_rot_v. The condition reads layer 0, the size the layers of this cache.
  std::uint32_t first = 0;
  while (first < model_.n_layer && model_.is_swa(first) != swa) ++first;
  if (first == model_.n_layer || model_.head_k(first) == 0) return in;
  if (traits(request_.type_k).quantized && model_.head_k(0) % 64 == 0) {
    const auto n = rotation_size(model_.head_k(first));
    in.k_rot = input(TensorType::f32, n, n);
  }
  if (with_v && traits(request_.type_v).quantized && model_.head_v(0) % 64 == 0) in.v_rot = input(TensorType::f32, 64, 64);
  return in;
}

AttentionInput Builder::attn_inp_kv() { return {.kind = AttentionKind::kv, .base = cache_input(false, true, true), .swa = {}}; }

AttentionInput Builder::attn_inp_kv_iswa()
{
  return {.kind = AttentionKind::kv_iswa, .base = cache_input(false, true, true), .swa = cache_input(true, true, true)};
}

AttentionInput Builder::attn_inp_k() { return {.kind = AttentionKind::k, .base = cache_input(false, false, false), .swa = {}}; }

AttentionInput Builder::attn_inp_k_iswa()
{
  return {.kind = AttentionKind::k_iswa, .base = cache_input(false, false, true), .swa = cache_input(true, false, true)};
}

AttentionInput Builder::attn_inp_no_cache()
{
  const auto type = request_.flash_attn ? TensorType::f16 : TensorType::f32;
  AttentionInput in{.kind = AttentionKind::no_cache, .base = {}, .swa = {}};
  in.base.mask = input(type, n_tokens_, n_tokens_);
  if (model_.swa) in.swa.mask = input(type, n_tokens_, n_tokens_);
  return in;
}

/// llama-graph.cpp: build_attn_inp_k_dsa. The fused indexer takes an F16 mask whatever the attention does; its keys are always rotated.
AttentionInput Builder::attn_inp_k_dsa()
{
  AttentionInput in{.kind = AttentionKind::k, .base = cache_input(false, false, false)};
  const auto& shape = request_.shape;
  const auto rotation = rotation_size(model_.mla->indexer_head_dim);
  in.indexer.k_idxs = input(TensorType::i64, n_tokens_);
  in.indexer.mask = input(TensorType::f16, kv_cells(false), n_tokens_ / shape.n_stream, 1, shape.n_stream);
  in.indexer.k_rot = input(TensorType::f32, rotation, rotation);
  return in;
}

/// llama-graph.cpp: build_attn_inp_kv_msa.
AttentionInput Builder::attn_inp_kv_msa()
{
  auto in = attn_inp_kv();
  in.indexer.k_idxs = input(TensorType::i64, n_tokens_);
  return in;
}

/// llama-impl.h: llama_mul_mat_hadamard.
Ref Builder::rotate(Ref cur, Ref rot)
{
  if (!rot || !cur || !recording()) return cur;
  const auto n = at(rot).ne[0];
  const auto ne = at(cur).ne;
  const auto rows = n_elements(at(cur)) / n;
  const auto flat = is_contiguous(at(cur)) ? reshape(cur, n, rows) : cont(cur, n, rows);
  return reshape(mul_mat(rot, flat), ne[0], ne[1], ne[2], ne[3]);
}

/// llama-kv-cache.cpp: cpy_k.
void Builder::store_rows(Ref cells, Ref cur, Ref idxs)
{
  if (!recording()) return;
  const auto ne = at(cur).ne;
  cur = view_2d(cur, ne[0] * ne[1], ne[2], at(cur).nb[2], 0);
  if (const auto c = at(cells).ne; c[2] > 1) cells = reshape(cells, c[0], c[1] * c[2]);
  expand(set_rows(cells, cur, idxs));
}

void Builder::store_k(Ref cur, Ref idxs, std::uint32_t il, CacheKind kind) { store_rows(cache(kind, il), cur, idxs); }

/// llama-kv-cache.cpp: cpy_v.
void Builder::store_v(Ref cur, Ref idxs, std::uint32_t il)
{
  if (!recording()) return;
  auto v = cache(CacheKind::v, il);
  const auto ne = at(cur).ne;
  const auto width = ne[0] * ne[1];
  if (!request_.v_transposed) {
    cur = view_2d(cur, width, ne[2], at(cur).nb[2], 0);
    if (const auto c = at(v).ne; c[2] > 1) v = reshape(v, c[0], c[1] * c[2]);
    expand(set_rows(v, cur, idxs));
    return;
  }
  const auto merged = row_size(at(cur).type, width).count == at(cur).nb[2];
  cur = merged ? reshape(cur, width, ne[2]) : cont(cur, width, ne[2]);
  if (width < at(v).ne[0]) cur = pad(cur, at(v).ne[0] - width);
  const auto all = reshape(v, 1, n_elements(at(v)));
  cur = reshape(cur, 1, n_elements(at(cur)));
  expand(set_rows(all, cur, idxs));
}

/// llama-kv-cache.cpp: get_k, over the whole cache as init_full gives it.
Ref Builder::load_cells(Ref cells, std::uint64_t head)
{
  if (!recording()) return cells;
  const auto type = at(cells).type;
  const auto ne = at(cells).ne;
  return view_4d(cells, {head, head ? ne[0] / head : 0, ne[1], ne[2]}, row_size(type, head).count, row_size(type, ne[0]).count,
                 row_size(type, ne[0] * ne[1]).count, 0);
}

Ref Builder::load_k(std::uint32_t il, CacheKind kind)
{
  const auto k = cache(kind, il);
  return load_cells(k, kind == CacheKind::k ? model_.head_k(il) : at(k).ne[0]);
}

/// llama-kv-cache.cpp: get_v.
Ref Builder::load_v(std::uint32_t il)
{
  const auto v = cache(CacheKind::v, il);
  if (!recording()) return v;
  const auto type = at(v).type;
  const auto ne = at(v).ne;
  const std::uint64_t head = model_.head_v(il), n_head_kv = model_.n_head_kv(il), cells = ne[1];
  if (!request_.v_transposed) {
    return view_4d(v, {head, n_head_kv, cells, ne[2]}, row_size(type, head).count, row_size(type, ne[0]).count,
                   row_size(type, ne[0] * cells).count, 0);
  }
  return view_4d(v, {cells, n_head_kv, head, ne[2]}, row_size(type, cells * head).count, row_size(type, cells).count,
                 row_size(type, cells * ne[0]).count, 0);
}

/// The mask with all but the chosen cells at −∞ (llama-graph.cpp: build_attn of llm_graph_input_attn_k_dsa).
Ref Builder::top_k_mask(Ref mask, Ref top_k, TensorType zeros_type)
{
  if (!recording()) return mask;
  const auto all = fill(mask);
  const auto m = at(all), k = at(top_k);
  const auto cells = view_4d(all, {1, m.ne[0], m.ne[1], m.ne[3]}, m.nb[0], m.nb[1], m.nb[2], 0);
  const auto ids = view_4d(top_k, {k.ne[0], k.ne[1], k.ne[3], 1}, k.nb[1], k.nb[2], k.ne[3] * k.nb[3], 0);
  const auto zeros = fill(leaf(Leaf::input, zeros_type, {1, k.ne[0], k.ne[1], k.ne[3]}, -1));
  const auto set = set_rows(cells, zeros, ids);
  const auto t = at(set);
  const auto kept = view_4d(set, {t.ne[1], t.ne[2], 1, t.ne[3]}, t.nb[2], t.nb[3], t.nb[3], 0);
  return add(kept, mask);
}

Ref Builder::attention_mha(const Attention& a, Ref q, Ref k, Ref v, Ref mask, std::uint32_t il)
{
  if (!recording()) return Ref{0};
  const auto v_trans = at(v).nb[1] > at(v).nb[2];
  const auto n_stream = std::max<std::uint64_t>(at(k).ne[3], 1);
  {
    const auto t = at(q);
    q = view_4d(q, {t.ne[0], t.ne[1], t.ne[2] / n_stream, n_stream}, t.nb[1], t.nb[2], t.nb[3] / n_stream, 0);
  }
  q = permute(q, 0, 2, 1, 3);
  k = permute(k, 0, 2, 1, 3);
  v = permute(v, 0, 2, 1, 3);

  Ref cur;
  if (request_.flash_attn && !a.kq_b) {
    if (v_trans) v = transpose(v);
    if (at(k).type == TensorType::f32) k = cast(k, TensorType::f16);  // no cache: an embedding model
    if (at(v).type == TensorType::f32) v = cast(v, TensorType::f16);
    cur = flash_attn_ext(q, k, v, mask, a.sinks);
    tag(cur, NodeTag::flash_attn, il);
    if (a.v_mla) {
      cur = permute(cur, 0, 2, 1, 3);
      cur = mul_mat(a.v_mla, cur);
      cur = cont(permute(cur, 0, 2, 1, 3));
    }
    const auto ne = at(cur).ne;
    cur = reshape(cur, ne[0] * ne[1], ne[2] * ne[3]);
  } else {
    auto kq = mul_mat(k, q);
    if (a.grok_cap) kq = scale(tanh(scale(kq)));
    if (a.soft_cap) kq = scale(tanh(scale(kq)));
    if (a.kq_b) kq = add(kq, a.kq_b);
    kq = soft_max(kq, mask, a.sinks);
    if (!v_trans) v = cont(transpose(v));
    auto kqv = mul_mat(v, kq);
    if (a.v_mla) kqv = mul_mat(a.v_mla, kqv);
    cur = permute(kqv, 0, 2, 1, 3);
    const auto ne = at(cur).ne;
    cur = cont(cur, ne[0] * ne[1], ne[2] * ne[3]);
    if (!request_.offload_kqv) tag(cur, NodeTag::on_cpu, il);
  }
  expand(cur);
  return cur;
}

Ref Builder::attention(const AttentionInput& inp, const Attention& a, std::uint32_t il)
{
  const auto swa = model_.is_swa(il);
  const auto iswa = inp.kind == AttentionKind::kv_iswa || inp.kind == AttentionKind::k_iswa;
  const auto& in = swa && (iswa || inp.kind == AttentionKind::no_cache) ? inp.swa : inp.base;
  const auto with_v = inp.kind == AttentionKind::kv || inp.kind == AttentionKind::kv_iswa;

  const auto q = rotate(a.q, in.k_rot);
  const auto k = rotate(a.k, in.k_rot);
  const auto v = with_v ? rotate(a.v, in.v_rot) : a.v;
  // Each variant of build_attn has its own order.
  expand(q);
  if (iswa || inp.kind == AttentionKind::no_cache) {
    if (k) expand(k);
    if (v && inp.kind != AttentionKind::k_iswa) expand(v);
  } else {
    expand(v);
    expand(k);
  }

  Ref cur;
  if (inp.kind == AttentionKind::no_cache) {
    cur = attention_mha(a, q, k, v, in.mask, il);
  } else {
    const auto source = a.cache_layer >= 0 ? static_cast<std::uint32_t>(a.cache_layer) : il;
    if (k) store_k(k, in.k_idxs, il);
    if (v && with_v) store_v(v, in.v_idxs, il);
    const auto mask = a.top_k ? top_k_mask(in.mask, a.top_k) : in.mask;
    const auto all_k = load_k(source);
    Ref all_v;
    if (with_v) {
      all_v = load_v(source);
    } else if (recording()) {
      const auto t = at(all_k);
      all_v = view_4d(all_k, {at(v).ne[0], t.ne[1], t.ne[2], t.ne[3]}, t.nb[1], t.nb[2], t.nb[3], 0);
    }
    cur = attention_mha(a, q, all_k, all_v, mask, il);
    if (with_v) cur = rotate(cur, in.v_rot);
    if (inp.kind == AttentionKind::k_iswa) cur = rotate(cur, in.k_rot);
  }
  if (a.wo) cur = mul_mat(a.wo, cur);
  if (a.wo_b) cur = add(cur, a.wo_b);
  return cur;
}

}  // namespace canirun
