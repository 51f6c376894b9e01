#include <algorithm>

#include "arch/decoder.hpp"
#include "arch/families.hpp"
#include "arch/hyper_connections.hpp"

namespace canirun {
namespace {

constexpr std::uint32_t k_fine = 4;      // Four tokens a compressed cell, of overlapping windows (llama.cpp: CSA).
constexpr std::uint32_t k_coarse = 128;  // (llama.cpp: HCA)

/// Inputs of the compressor of one ratio (llama-graph.cpp: dsv4_build_comp_inputs) and the size of its cache and state.
struct Compressor {
  std::uint32_t ratio = 0;
  std::uint64_t head = 0;        ///< Width of a compressed key.
  std::uint64_t state_size = 0;  ///< Tokens that wait to be compressed, a sequence.
  std::uint64_t n_cells = 0;
  std::uint64_t n_blocks = 0;  ///< Cells that a micro-batch may complete.
  Ref state_pos = {}, persist_src = {}, persist_dst = {}, read_idxs = {}, write_idxs = {}, write_pos = {}, mask = {}, k_rot = {};

  std::uint64_t overlap() const { return ratio == k_fine ? 2 : 1; }
};

/// The two state tensors of a compressor, as matrices of all sequences' rows.
struct State {
  Ref kv, score;
};

class DeepSeek4 {
 public:
  explicit DeepSeek4(Builder& b) : b_(b), m_(b.model()), n_embd_(m_.n_embd), n_tokens_(b.n_tokens()), head_(m_.head_dim_k) {}

  void build();

 private:
  Ref rotation(std::uint64_t head, bool always);
  Compressor compressor(std::uint32_t ratio, std::uint64_t head, bool indexer);
  Ref cells(std::uint64_t width, std::uint64_t n_cells, TensorType type, std::uint32_t il);
  Ref with_zero_row(Ref t);
  Ref compress(const Compressor& c, const State& source, Ref norm, std::uint32_t il);
  Ref update(const Compressor& c, Ref cur, const char* prefix, std::uint32_t il, Ref keys);
  Ref indexer_top_k(Ref cur, Ref q_latent, Ref keys, std::uint32_t il);
  Ref attend(Ref q, Ref kv, Ref more_keys, Ref more_mask, Ref sinks, std::uint32_t il);
  Ref attention(Ref cur, std::uint32_t il);
  Ref feed_forward(Ref cur, std::uint32_t il);

  Builder& b_;
  const ModelSpec& m_;
  std::uint64_t n_embd_, n_tokens_, head_;
  std::uint64_t n_stream_ = 1;  ///< Of the graph; caches always have a stream a sequence.
  Ref pos_, raw_idxs_, raw_mask_, raw_rot_;
  std::uint64_t n_raw_ = 0;
  Compressor fine_, coarse_, index_;
};

Ref DeepSeek4::rotation(std::uint64_t head, bool always)
{
  if (!always && !(traits(b_.request().type_k).quantized && head % 64 == 0)) return {};
  std::uint64_t n = 64;
  while (head % (2 * n) == 0) n *= 2;
  return b_.input(TensorType::f32, n, n);
}

/// llama-kv-cache-dsv4.cpp: dsv4_build_reserve_comp_plan.
Compressor DeepSeek4::compressor(std::uint32_t ratio, std::uint64_t head, bool indexer)
{
  const std::uint64_t n_ctx = b_.request().shape.n_ctx_seq;
  Compressor c{.ratio = ratio, .head = head};
  c.state_size = c.overlap() * ratio;
  c.n_cells = pad_to(std::max<std::uint64_t>(1, (n_ctx + ratio - 1) / ratio), 256);
  c.n_blocks = n_tokens_ / ratio + b_.n_seqs();
  const auto n_persist = std::min(n_tokens_, c.state_size * b_.n_seqs());
  c.state_pos = b_.input(TensorType::i32, n_tokens_);
  c.persist_src = b_.input(TensorType::i32, n_persist);
  c.persist_dst = b_.input(TensorType::i32, n_persist);
  c.read_idxs = b_.input(TensorType::i32, c.overlap() * ratio * c.n_blocks);
  c.write_idxs = b_.input(TensorType::i64, c.n_blocks);
  c.write_pos = b_.input(TensorType::i32, c.n_blocks);
  // The fused indexer always takes F16.
  const auto type = indexer || b_.request().flash_attn ? TensorType::f16 : TensorType::f32;
  c.mask = b_.input(type, c.n_cells, n_tokens_ / n_stream_, 1, n_stream_);
  return c;
}

Ref DeepSeek4::cells(std::uint64_t width, std::uint64_t n_cells, TensorType type, std::uint32_t il)
{
  return b_.leaf(Leaf::kv_cache, type, {width, n_cells, b_.n_seqs(), 1}, static_cast<std::int32_t>(il));
}

Ref DeepSeek4::with_zero_row(Ref t)
{
  const auto width = b_.at(t).ne[0];
  return b_.concat(t, b_.reshape(b_.scale(b_.view_1d(t, width, 0)), width, 1), 1);
}

/// build_hca_compressed_kv_from_state, build_overlap_compressed_kv_from_state: a weighted mean of `ratio` (or, overlapping, twice as
/// many) tokens.
Ref DeepSeek4::compress(const Compressor& c, const State& source, Ref norm, std::uint32_t il)
{
  Ref values, scores;
  if (c.ratio == k_coarse) {
    const auto rows = [&](Ref t) { return b_.reshape(b_.get_rows(t, c.read_idxs), c.head, k_coarse, c.n_blocks); };
    values = rows(source.kv);
    scores = rows(source.score);
  } else {
    const auto n_read = c.ratio * c.n_blocks;
    const auto row = std::uint64_t{4} * 2 * c.head;
    const auto kv = b_.get_rows(with_zero_row(source.kv), c.read_idxs);
    const auto score = b_.get_rows(with_zero_row(source.score), c.read_idxs);
    const auto half = [&](Ref t, std::uint64_t offset) {
      return b_.reshape(b_.cont(b_.view_2d(t, c.head, n_read, row, offset)), c.head, c.ratio, c.n_blocks);
    };
    const auto current = n_read * row + 4 * c.head;
    const auto kv_previous = half(kv, 0), score_previous = half(score, 0);
    const auto kv_current = half(kv, current), score_current = half(score, current);
    values = b_.concat(kv_previous, kv_current, 1);
    scores = b_.concat(score_previous, score_current, 1);
  }
  values = b_.cont(b_.permute(values, 1, 0, 2, 3));
  scores = b_.cont(b_.permute(scores, 1, 0, 2, 3));
  auto cur = b_.sum_rows(b_.mul(values, b_.soft_max(scores)));
  cur = b_.cont(b_.permute(cur, 1, 0, 2, 3));
  return b_.rope(b_.norm(Norm::rms, cur, norm, {}, il), c.write_pos);
}

/// Compresses what the micro-batch completes into `keys`, and keeps the rest of it as state for the next.
Ref DeepSeek4::update(const Compressor& c, Ref cur, const char* prefix, std::uint32_t il, Ref keys)
{
  const auto width = c.overlap() * c.head;
  const auto name = [&](const char* part) { return std::string(prefix) + part; };
  const auto w_kv = b_.weight(name("_compressor_kv"), il, {n_embd_, width});
  const auto w_gate = b_.weight(name("_compressor_gate"), il, {n_embd_, width});
  const auto ape = b_.weight(name("_compressor_ape"), il, {width, c.ratio});
  const auto norm = b_.weight(name("_compressor_norm"), il, {c.head});

  const auto kv = b_.mul_mat(w_kv, cur);
  const auto score = b_.add(b_.mul_mat(w_gate, cur), b_.get_rows(ape, c.state_pos));
  const auto n_rows = c.state_size * b_.n_seqs();
  const auto kv_state = cells(width, c.state_size, TensorType::f32, il),
             score_state = cells(width, c.state_size, TensorType::f32, il);
  const auto all = [&](Ref state) { return b_.view_2d(state, width, n_rows, 4 * width, 0); };
  const auto joined = [&](Ref state, Ref now) { return b_.concat(b_.view_2d(all(state), width, n_rows, 4 * width, 0), now, 1); };

  const State source{joined(kv_state, kv), joined(score_state, score)};
  b_.store_rows(keys, b_.rotate(compress(c, source, norm, il), c.k_rot), c.write_idxs);
  const auto kept_kv = b_.get_rows(kv, c.persist_src), kept_score = b_.get_rows(score, c.persist_src);
  b_.expand(b_.set_rows(all(kv_state), kept_kv, c.persist_dst));
  b_.expand(b_.set_rows(all(score_state), kept_score, c.persist_dst));
  return keys;
}

Ref DeepSeek4::indexer_top_k(Ref cur, Ref q_latent, Ref keys, std::uint32_t il)
{
  const auto& mla = *m_.mla;
  const std::uint64_t n_head = mla.indexer_n_head, head = mla.indexer_head_dim;
  const auto proj = b_.weight("indexer.proj", il, {n_embd_, n_head});
  const auto w_q = b_.weight("indexer.attn_q_b", il, {mla.q_lora_rank, n_head * head});
  auto q = b_.rope(b_.reshape(b_.mul_mat(w_q, q_latent), head, n_head, n_tokens_), pos_);
  q = b_.rotate(q, index_.k_rot);
  auto weights = b_.scale(b_.mul_mat(proj, cur));
  auto k = b_.load_cells(keys, head);
  if (!b_.recording()) return k;
  const auto view = [&](Ref t, const Shape& ne, const GraphTensor& x) { return b_.view_4d(t, ne, x.nb[1], x.nb[2], x.nb[3], 0); };
  const auto tk = b_.at(k), tq = b_.at(q), tw = b_.at(weights);
  k = view(k, {tk.ne[0], tk.ne[1], index_.n_cells, tk.ne[3]}, tk);
  const auto n_stream = tk.ne[3];
  q = b_.view_4d(q, {tq.ne[0], tq.ne[1], tq.ne[2] / n_stream, n_stream}, tq.nb[1], tq.nb[2], tq.nb[3] / n_stream, 0);
  weights = b_.view_4d(weights, {tw.ne[0], tw.ne[1] / n_stream, tw.ne[2], n_stream}, tw.nb[1], tw.nb[2] / n_stream,
                       tw.nb[3] / n_stream, 0);
  const auto score = b_.lightning_indexer(q, k, weights, index_.mask);
  return b_.cont(b_.top_k(score, std::min<std::uint64_t>(b_.at(score).ne[0], mla.indexer_top_k)));
}

/// Attention over the window of raw keys, which are values too, and over the compressed ones where there are any.
Ref DeepSeek4::attend(Ref q, Ref kv, Ref more_keys, Ref more_mask, Ref sinks, std::uint32_t il)
{
  q = b_.rotate(q, raw_rot_);
  kv = b_.rotate(kv, raw_rot_);
  b_.expand(q);
  b_.expand(kv);
  const auto raw = cells(head_, n_raw_, b_.request().type_k, il);
  b_.store_rows(raw, kv, raw_idxs_);
  auto k = b_.load_cells(raw, head_);
  auto mask = raw_mask_;
  if (more_keys) {
    auto more = b_.load_cells(more_keys, head_);
    if (b_.recording()) {
      const auto t = b_.at(more);
      more = b_.view_4d(more, t.ne, t.nb[1], t.nb[2], t.nb[3], 0);
    }
    k = b_.concat(k, more, 2);
    mask = b_.concat(mask, more_mask, 0);
  }
  return b_.rotate(b_.attention_mha({.sinks = sinks}, q, k, k, mask, il), raw_rot_);
}

Ref DeepSeek4::attention(Ref cur, std::uint32_t il)
{
  const auto& ds = *m_.dsv4;
  const std::uint64_t n_head = m_.n_head(il), q_rank = m_.mla->q_lora_rank;
  const std::uint64_t groups = ds.o_groups, o_rank = ds.o_lora_rank, group_dim = n_head * head_ / groups;
  const auto q_a = b_.weight("attn_q_a", il, {n_embd_, q_rank});
  const auto q_a_norm = b_.weight("attn_q_a_norm", il, {q_rank});
  const auto q_b = b_.weight("attn_q_b", il, {q_rank, n_head * head_});
  const auto w_kv = b_.weight("attn_kv", il, {n_embd_, head_});
  const auto kv_norm = b_.weight("attn_kv_a_norm", il, {head_});
  const auto sinks = b_.weight("attn_sinks", il, {n_head});
  const auto o_a = b_.weight("attn_output_a", il, {group_dim, o_rank, groups});
  const auto o_b = b_.weight("attn_output_b", il, {groups * o_rank, n_embd_});

  const auto q_latent = b_.norm(Norm::rms, b_.mul_mat(q_a, cur), q_a_norm, {}, il);
  const auto q = b_.rope(b_.rms_norm(b_.reshape(b_.mul_mat(q_b, q_latent), head_, n_head, n_tokens_)), pos_);
  auto kv = b_.norm(Norm::rms, b_.mul_mat(w_kv, cur), kv_norm, {}, il);
  kv = b_.rope(b_.reshape(kv, head_, 1, n_tokens_), pos_);

  const auto ratio = il < ds.compress_ratios.size() ? ds.compress_ratios[il] : 0;
  const auto type = b_.request().type_k;
  Ref keys, mask;
  if (ratio == k_fine) {
    keys = update(fine_, cur, "attn", il, cells(head_, fine_.n_cells, type, il));
    const auto index_keys = update(index_, cur, "indexer", il, cells(index_.head, index_.n_cells, type, il));
    const auto top_k = indexer_top_k(cur, q_latent, index_keys, il);
    mask = b_.top_k_mask(fine_.mask, top_k, b_.request().flash_attn ? TensorType::f16 : TensorType::f32);
  } else if (ratio == k_coarse) {
    keys = update(coarse_, cur, "attn", il, cells(head_, coarse_.n_cells, type, il));
    mask = coarse_.mask;
  }
  auto out = attend(q, kv, keys, mask, sinks, il);
  out = b_.rope(b_.reshape(out, head_, n_head, n_tokens_), pos_);  // ggml_rope_ext_back
  out = b_.permute(b_.reshape(out, group_dim, groups, n_tokens_), 0, 2, 1, 3);
  out = b_.permute(b_.mul_mat(o_a, out), 0, 2, 1, 3);
  return b_.mul_mat(o_b, b_.cont(out, o_rank * groups, n_tokens_));
}

/// The first layers choose experts by a table of token numbers.
Ref DeepSeek4::feed_forward(Ref cur, std::uint32_t il)
{
  const auto& spec = *m_.moe;
  const std::uint64_t n_expert = spec.n_expert, n_used = spec.n_expert_used, n_ff = spec.n_ff_expert;
  const bool hashed = il < m_.dsv4->num_hash_layers;
  Moe moe;
  moe.n_expert = n_expert;
  moe.n_expert_used = n_used;
  moe.gating = Gating::sqrt_softplus;
  moe.gate_inp = b_.weight("ffn_gate_inp", il, {n_embd_, n_expert});
  if (hashed) {
    moe.selected_in = b_.get_rows(b_.table("ffn_gate_tid2eid", il, {n_used, m_.n_vocab}), b_.inp_tokens());
  } else {
    moe.probs_b = b_.bias("exp_probs_b", il, n_expert);
  }
  moe.gate = b_.weight("ffn_gate_exps", il, {n_embd_, n_ff, n_expert});
  moe.down = b_.weight("ffn_down_exps", il, {n_ff, n_embd_, n_expert});
  moe.up = b_.weight("ffn_up_exps", il, {n_embd_, n_ff, n_expert});
  const auto routed = b_.moe_ffn(cur, moe);
  return b_.add(routed, b_.ffn(cur, b_.ffn_weights(il, spec.n_ff_shared, "_shexp")));
}

void DeepSeek4::build()
{
  const auto& shape = b_.request().shape;
  const auto embd = b_.inp_embd();
  pos_ = b_.inp_pos();
  const auto out_ids = b_.inp_out_ids();
  n_stream_ = b_.n_seqs();
  const std::uint64_t window = m_.swa ? m_.swa->window : 0;
  n_raw_ =
      b_.request().swa_full ? shape.n_ctx_seq : pad_to(std::min<std::uint64_t>(shape.n_ctx_seq, window + shape.n_ubatch), 256);
  raw_idxs_ = b_.input(TensorType::i64, n_tokens_);
  raw_mask_ = b_.input(b_.request().flash_attn ? TensorType::f16 : TensorType::f32, n_raw_, n_tokens_ / n_stream_, 1, n_stream_);
  raw_rot_ = rotation(head_, false);
  fine_ = compressor(k_fine, head_, false);
  coarse_ = compressor(k_coarse, head_, false);
  index_ = compressor(k_fine, m_.mla->indexer_head_dim, true);
  fine_.k_rot = rotation(head_, false);
  coarse_.k_rot = rotation(head_, false);
  index_.k_rot = rotation(index_.head, true);
  b_.expand(raw_mask_);

  HyperConnections connections(b_);
  auto streams = connections.begin(embd);
  for (const auto il : b_.layers()) {
    auto mixed = connections.mix(streams, "attn", il);
    auto cur = attention(b_.norm(mixed.cur, "attn_norm", il), il);
    streams = connections.join(cur, streams, mixed, il);
    mixed = connections.mix(streams, "ffn", il);
    b_.expand(streams);
    b_.expand(mixed.post);
    b_.expand(mixed.comb);
    cur = feed_forward(b_.norm(mixed.cur, "ffn_norm", il), il);
    streams = connections.join(cur, streams, mixed, il);
    b_.tag(streams, NodeTag::l_last, il);
  }
  b_.finish_lm(connections.finish(streams, out_ids));
}

}  // namespace

/// models/deepseek4.cpp: four residual streams, a short window of keys and compressed older ones.
void build_deepseek4(Builder& b) { DeepSeek4(b).build(); }

}  // namespace canirun
