#include <algorithm>
#include <vector>

#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace canirun {
namespace {

/// What all sparse layers share. Blocks are of positions, the cache is of cells: two tables translate.
struct BlockInputs {
  AttentionInput attn;
  Ref bias{}, pos_mask{}, pos_slot_i{};
  Ref pos_slot_f{};              ///< Of batches with one token a stream.
  Ref cell_block{}, mask_f32{};  ///< Of all others.
  std::uint64_t n_pos = 0, n_block = 0;
};

/// Positions that the cache knows when llama.cpp reserves its buffers: it is empty then, and the count is padded to this
/// (llama-kv-cache-msa.cpp: get_n_pos).
constexpr std::uint64_t k_min_positions = 256;

BlockInputs block_inputs(Builder& b, const AttentionInput& attn)
{
  const auto& sparse = *b.model().sparse;
  const std::uint64_t block = std::max(1U, sparse.block_size), n_stream = b.request().shape.n_stream;
  BlockInputs in{.attn = attn};
  in.n_pos = (k_min_positions + block - 1) / block * block;
  in.n_block = in.n_pos / block;
  in.bias = b.input(TensorType::f32, in.n_block, b.n_tokens());
  in.pos_mask = b.input(TensorType::f32, in.n_pos, b.n_tokens());
  in.pos_slot_i = b.input(TensorType::i32, in.n_pos, n_stream);
  if (b.n_tokens() == n_stream) {
    in.pos_slot_f = b.input(TensorType::f32, in.n_pos, n_stream);
  } else {
    in.cell_block = b.input(TensorType::i32, b.kv_cells(false), n_stream);
    in.mask_f32 = b.cast(attn.base.mask, TensorType::f32);
  }
  return in;
}

/// Q, K and V of a layer and the indexer's query, with all cells of the caches.
struct Layer {
  Ref q, k, v, index_q, index_k;
};

/// The greatest score of each block's positions.
Ref block_scores(Builder& b, Ref scores, std::uint64_t n_block)
{
  const auto ne = b.at(scores).ne;
  return b.custom(Op::pool_2d, TensorType::f32, {n_block, ne[1], ne[2], ne[3]}, {scores});
}

/// All groups of heads (and, at one token a stream, all streams) in one flash attention, as its sequences. q [head, n_head, n_tokens];
/// k, v [head, n_keys, 1, n_channel].
Ref grouped_attention(Builder& b, Ref q, Ref k, Ref v, Ref mask, std::uint64_t n_head_kv)
{
  const auto ne = b.at(q).ne;
  const auto group = ne[1] / n_head_kv, channels = b.at(k).ne[3];
  q = b.permute(b.reshape(q, ne[0], group, channels, ne[1] * ne[2] / (group * channels)), 0, 2, 3, 1);
  auto out = b.permute(b.flash_attn_ext(q, k, v, mask), 0, 1, 3, 2);
  if (!is_contiguous(b.at(out))) out = b.cont(out);
  return b.reshape(out, ne[0] * ne[1], ne[2]);
}

/// One token a stream: the cells of the chosen blocks are gathered.
Ref attend_gathered(Builder& b, const BlockInputs& in, const Layer& x)
{
  const auto& sparse = *b.model().sparse;
  const auto key = b.at(x.k), index_key = b.at(x.index_k);
  const std::uint64_t head = key.ne[0], n_head = key.ne[1], n_kv = key.ne[2], n_stream = key.ne[3], dim = sparse.index_dim;
  const std::uint64_t block = sparse.block_size, n_chosen = std::min<std::uint64_t>(sparse.topk_blocks, in.n_block);
  const auto cells = block * n_chosen;
  const auto keys = b.view_3d(x.index_k, dim, n_kv, n_stream, index_key.nb[2], index_key.nb[3], 0);
  const auto by_pos = b.get_rows(keys, in.pos_slot_i);
  const auto query = b.reshape(x.index_q, dim, n_head, 1, n_stream);
  auto scores = b.mul_mat(b.reshape(by_pos, dim, in.n_pos, 1, n_stream), query);
  scores = b.add_inplace(scores, b.reshape(in.pos_mask, in.n_pos, 1, 1, n_stream));
  const auto best = b.add(block_scores(b, scores, in.n_block), b.reshape(in.bias, in.n_block, 1, 1, n_stream));
  const auto chosen = b.top_k(best, n_chosen);

  const auto first = b.reshape(b.scale(b.cast(chosen, TensorType::f32)), 1, n_chosen, n_head, n_stream);
  const auto spread = b.repeat(first, block, n_chosen, n_head, n_stream);
  const auto positions = b.add(spread, b.reshape(b.arange(block), block, 1, 1));
  const auto pos_rows = b.cast(b.reshape(positions, cells * n_head, n_stream), TensorType::i32);
  auto slots = b.get_rows(b.reshape(in.pos_slot_f, 1, in.n_pos, n_stream), pos_rows);
  slots = b.reshape(slots, block, n_chosen, n_head, n_stream);
  const auto rows = b.add(b.scale(slots), b.reshape(b.arange(n_head), 1, 1, n_head));
  const auto cell_rows = b.cast(b.reshape(rows, cells * n_head, n_stream), TensorType::i32);

  const auto value = b.at(x.v);
  const auto all_k = b.view_3d(x.k, head, n_head * n_kv, n_stream, key.nb[1], key.nb[3], 0);
  const auto all_v = b.view_3d(x.v, head, n_head * n_kv, n_stream, value.nb[1], value.nb[3], 0);
  const auto mask_of = b.reshape(in.pos_mask, 1, in.n_pos, n_stream);
  const auto k = b.get_rows(all_k, cell_rows), v = b.get_rows(all_v, cell_rows);
  const auto mask = b.get_rows(mask_of, pos_rows);
  const auto sequences = [&](Ref r, TensorType type) {
    const auto target = traits(type).quantized ? TensorType::f16 : type;
    r = b.reshape(r, head, cells, 1, n_head * n_stream);
    return b.at(r).type == target ? r : b.cast(r, target);
  };
  const auto k_seq = sequences(k, key.type), v_seq = sequences(v, value.type);
  const auto mask_seq = b.cast(b.reshape(mask, cells, 1, 1, n_head * n_stream), TensorType::f16);
  return grouped_attention(b, x.q, k_seq, v_seq, mask_seq, n_head);
}

/// A batch of one stream: all cells, under a mask that hides the blocks that were not chosen.
Ref attend_masked(Builder& b, const BlockInputs& in, const Layer& x, std::uint64_t stream)
{
  const auto& sparse = *b.model().sparse;
  const auto key = b.at(x.k), value = b.at(x.v), index_key = b.at(x.index_k), index_query = b.at(x.index_q), query = b.at(x.q);
  const std::uint64_t head = key.ne[0], n_head = key.ne[1], n_kv = key.ne[2], dim = sparse.index_dim, n_block = in.n_block;
  const std::uint64_t n = b.n_tokens() / key.ne[3], n_chosen = std::min<std::uint64_t>(sparse.topk_blocks, n_block);
  const auto table = [&](Ref r, std::uint64_t width) { return b.view_1d(r, width, stream * b.at(r).nb[1]); };
  const auto by_token = [&](Ref r, std::uint64_t width) {
    const auto nb = b.at(r).nb[1];
    return b.view_3d(r, width, 1, n, nb, nb, stream * n * nb);
  };
  const auto iq = b.view_3d(x.index_q, dim, n_head, n, index_query.nb[1], index_query.nb[2], stream * n * index_query.nb[2]);
  const auto ik = b.view_2d(x.index_k, dim, n_kv, index_key.nb[2], stream * index_key.nb[3]);
  const auto slots = table(in.pos_slot_i, in.n_pos);
  const auto pos_mask = by_token(in.pos_mask, in.n_pos);
  const auto blocks = table(in.cell_block, n_kv);
  const auto all = b.at(in.mask_f32);
  const auto causal = b.view_3d(in.mask_f32, n_kv, n, 1, all.nb[1], all.nb[3], stream * all.nb[3]);
  const auto bias = by_token(in.bias, n_block);
  const auto q = b.view_3d(x.q, head, query.ne[1], n, query.nb[1], query.nb[2], stream * n * query.nb[2]);
  const auto k = b.view_4d(x.k, {head, n_head, n_kv, 1}, key.nb[1], key.nb[2], key.nb[3], stream * key.nb[3]);
  const auto v = b.view_4d(x.v, {head, n_head, n_kv, 1}, value.nb[1], value.nb[2], value.nb[3], stream * value.nb[3]);

  const auto by_pos = b.get_rows(ik, slots);
  auto scores = b.reshape(b.mul_mat(by_pos, b.reshape(iq, dim, n_head * n)), in.n_pos, n_head, n);
  scores = b.add_inplace(scores, pos_mask);
  const auto chosen = b.top_k(b.add(block_scores(b, scores, n_block), bias), n_chosen);
  auto hidden = b.cast(b.scale(bias), TensorType::f16);
  hidden = b.repeat(hidden, n_block, n_head, n);
  const auto zeros = b.scale(b.cast(chosen, TensorType::f32));
  auto mask = b.set_rows(b.reshape(hidden, 1, n_block, n_head * n), b.reshape(zeros, 1, n_chosen, n_head * n),
                         b.reshape(chosen, n_chosen, n_head * n));
  mask = b.cont(b.permute(b.reshape(mask, n_block, n_head, n), 0, 2, 1, 3));
  mask = b.cont(b.transpose(b.reshape(mask, n_block, n * n_head)));
  mask = b.cont(b.transpose(b.get_rows(mask, blocks)));  // from blocks to cells
  mask = b.add_inplace(b.reshape(mask, n_kv, n, n_head), causal);
  mask = b.cast(b.reshape(mask, n_kv, n, 1, n_head), TensorType::f16);
  return grouped_attention(b, q, b.permute(k, 0, 3, 1, 2), b.permute(v, 0, 3, 1, 2), mask, n_head);
}

struct IndexWeights {
  Ref q, k, q_norm, k_norm;
};

/// Attention of a sparse layer up to its output matrix.
Ref block_sparse_attention(Builder& b, const BlockInputs& in, Ref cur, const Qkv& qkv, const IndexWeights& w, Ref pos,
                           std::uint32_t il)
{
  const auto& sparse = *b.model().sparse;
  if (!b.recording()) return cur;
  const std::uint64_t dim = sparse.index_dim;
  auto iq = b.mul_mat(w.q, cur), ik = b.mul_mat(w.k, cur);
  iq = b.reshape(iq, dim, sparse.n_index_head, b.n_tokens());
  ik = b.reshape(ik, dim, 1, b.n_tokens());
  iq = b.rope(b.norm(Norm::rms, iq, w.q_norm, {}, il), pos);
  ik = b.rope(b.norm(Norm::rms, ik, w.k_norm, {}, il), pos);
  b.store_k(ik, in.attn.indexer.k_idxs, il, CacheKind::indexer_k);
  Layer x{.q = {}, .k = {}, .v = {}, .index_q = iq, .index_k = b.load_k(il, CacheKind::indexer_k)};

  const auto& base = in.attn.base;
  x.q = b.rotate(qkv.q, base.k_rot);
  const auto k = b.rotate(qkv.k, base.k_rot), v = b.rotate(qkv.v, base.v_rot);
  b.expand(x.q);
  b.expand(k);
  b.expand(v);
  b.store_k(k, base.k_idxs, il);
  b.store_v(v, base.v_idxs, il);
  x.k = b.load_k(il);
  x.v = b.load_v(il);
  if (in.pos_slot_f) return b.rotate(attend_gathered(b, in, x), base.v_rot);
  const auto n_stream = b.at(x.k).ne[3];
  std::vector<Ref> streams;
  for (std::uint64_t i = 0; i < n_stream; ++i) streams.push_back(attend_masked(b, in, x, i));
  auto out = streams.at(0);
  for (std::uint64_t i = 1; i < n_stream; ++i) out = b.concat(out, streams[i], 1);
  return b.rotate(out, base.v_rot);
}

}  // namespace

/// minimax-m3.cpp: after the leading dense layers each group of heads attends to the best blocks of the cache. Without flash attention,
/// and where sequences share a stream, to all of it.
void build_minimax_m3(Builder& b)
{
  const auto& m = b.model();
  const auto& shape = b.request().shape;
  const FeedForwardOptions ffn{.gating = Gating::sigmoid, .scale_weights = true};
  const bool enabled = b.request().flash_attn && (shape.n_seq_max == 1 || shape.n_stream > 1);
  auto stream = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_kv_msa();
  const auto blocks = m.sparse && enabled ? block_inputs(b, attn) : BlockInputs{.attn = attn};
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = stream;
    const std::uint64_t head = m.head_k(il), n_embd = m.n_embd;
    auto cur = b.norm(stream, "attn_norm", il);
    auto qkv = b.qkv(cur, il, b.qkv_shape(il));
    qkv.q = b.rope(b.norm(Norm::rms, qkv.q, b.weight("attn_q_norm", il, {head}), {}, il), pos);
    qkv.k = b.rope(b.norm(Norm::rms, qkv.k, b.weight("attn_k_norm", il, {head}), {}, il), pos);
    const auto wo = b.weight("attn_output", il, {head * m.n_head(il), n_embd});
    const auto indexed = m.sparse && il >= m.sparse->first_layer;
    IndexWeights w{};
    if (indexed) {
      const std::uint64_t dim = m.sparse->index_dim;
      w.q = b.weight("indexer.q_proj", il, {n_embd, m.sparse->n_index_head * dim});
      w.k = b.weight("indexer.k_proj", il, {n_embd, dim});
      w.q_norm = b.weight("indexer.q_norm", il, {dim});
      w.k_norm = b.weight("indexer.k_norm", il, {dim});
    }
    if (indexed && enabled) {
      cur = b.mul_mat(wo, block_sparse_attention(b, blocks, cur, qkv, w, pos, il));
    } else {
      cur = b.attention(attn, {.q = qkv.q, .k = qkv.k, .v = qkv.v, .wo = wo}, il);
    }
    if (il + 1 == m.n_layer) {
      cur = b.get_rows(cur, out_ids);
      residual = b.get_rows(residual, out_ids);
    }
    const auto ffn_inp = b.add(cur, residual);
    stream = b.add(feed_forward(b, b.norm(ffn_inp, "ffn_norm", il), ffn, il), ffn_inp);
  }
  b.finish_lm(stream);
}

}  // namespace canirun
