#include <algorithm>

#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace canirun {
namespace {

/// The shape that both halves share: no rotation, the same heads for K and V.
struct Shape {
  std::uint64_t n_embd, head, n_head, n_head_kv, n_ff;
};

Shape shape_of(const ModelSpec& m)
{
  return {.n_embd = m.n_embd, .head = m.head_dim_v, .n_head = m.n_head(0), .n_head_kv = m.n_head_kv(0), .n_ff = m.n_ff(0)};
}

struct Matrices {
  Ref q, k, v, o;
};

/// `prefix` + q, k, v, o: "enc.attn_", "dec.attn_" or "dec.cross_attn_".
Matrices matrices(Builder& b, const std::string& prefix, std::uint32_t il)
{
  const auto s = shape_of(b.model());
  const auto wide = s.head * s.n_head, narrow = s.head * s.n_head_kv;
  const auto q = b.weight(prefix + "q", il, {s.n_embd, wide}), k = b.weight(prefix + "k", il, {s.n_embd, narrow});
  const auto v = b.weight(prefix + "v", il, {s.n_embd, narrow});
  return {.q = q, .k = k, .v = v, .o = b.weight(prefix + "o", il, {wide, s.n_embd})};
}

/// `keys` is what K and V are made from: the layer's own input, or the encoder's output.
Qkv heads(Builder& b, const Matrices& w, Ref cur, Ref keys)
{
  const auto s = shape_of(b.model());
  const auto of = [&](Ref matrix, Ref x, std::uint64_t n) { return b.reshape(b.mul_mat(matrix, x), s.head, n, b.at(x).ne[1]); };
  const auto q = of(w.q, cur, s.n_head), k = of(w.k, keys, s.n_head_kv);
  return {.q = q, .k = k, .v = of(w.v, keys, s.n_head_kv)};
}

/// build_pos_bias: one number a head for each pair of a token and a cell.
Ref position_bias(Builder& b, Ref buckets, Ref table)
{
  const auto ne = b.at(buckets).ne;
  const auto rows = b.get_rows(table, b.reshape(buckets, ne[0] * ne[1]));
  return b.cont(b.permute(b.reshape(rows, b.at(rows).ne[0], ne[0], ne[1]), 2, 0, 1, 3));
}

/// The first layer has the table of biases, which others without one use.
Ref bias_table(Builder& b, std::string_view name, std::uint32_t il, Ref first)
{
  const std::uint64_t n_head = b.model().n_head(0), n_buckets = b.model().n_rel_attn_buckets;
  if (il == 0) return b.weight(name, il, {n_head, n_buckets});
  const auto own = b.weight_if(false, name, il, {n_head, n_buckets});
  return own ? own : first;
}

Ref ffn(Builder& b, Ref cur, const std::string& prefix, std::uint32_t il)
{
  const auto s = shape_of(b.model());
  cur = b.norm(cur, prefix + "norm", il);
  Ffn f;
  f.gate = b.weight_if(b.model().ffn_gated, prefix + "gate", il, {s.n_embd, s.n_ff});
  f.down = b.weight(prefix + "down", il, {s.n_ff, s.n_embd});
  f.up = b.weight(prefix + "up", il, {s.n_embd, s.n_ff});
  f.act = f.gate ? Act::gelu : Act::relu;
  return b.ffn(cur, f);
}

/// t5.cpp: graph<true>, without its last norm.
Ref encoder(Builder& b)
{
  const auto& m = b.model();
  auto x = b.inp_embd();
  const auto buckets = b.input(TensorType::i32, b.n_tokens(), b.n_tokens());
  const auto attn = b.attn_inp_no_cache();
  const auto out_ids = b.inp_out_ids();
  Ref table;
  for (std::uint32_t il = 0; il < m.n_layer; ++il) {
    const auto n = b.norm(x, "enc.attn_norm", il);
    table = bias_table(b, "enc.attn_rel_b", il, table);
    const auto w = matrices(b, "enc.attn_", il);
    const auto [q, k, v] = heads(b, w, n, n);
    const auto bias = position_bias(b, buckets, table);
    auto a = b.attention(attn, {.q = q, .k = k, .v = v, .wo = w.o, .kq_b = bias}, il);
    if (il == m.n_layer - 1) {
      a = b.get_rows(a, out_ids);
      x = b.get_rows(x, out_ids);
    }
    const auto y = b.add(a, x);
    x = b.add(ffn(b, y, "enc.ffn_", il), y);
  }
  return x;
}

/// Weights of the encoder, which another graph uses.
void declare_encoder(Builder& b)
{
  const auto& m = b.model();
  for (std::uint32_t il = 0; il < m.n_layer; ++il) {
    b.weight("enc.attn_norm", il, {m.n_embd});
    bias_table(b, "enc.attn_rel_b", il, {});
    matrices(b, "enc.attn_", il);
    const std::uint64_t n_ff = m.n_ff(0);
    b.weight("enc.ffn_norm", il, {m.n_embd});
    b.weight_if(m.ffn_gated, "enc.ffn_gate", il, {m.n_embd, n_ff});
    b.weight("enc.ffn_down", il, {n_ff, m.n_embd});
    b.weight("enc.ffn_up", il, {m.n_embd, n_ff});
  }
  b.weight("enc.output_norm", k_global, {m.n_embd});
}

}  // namespace

/// t5encoder.cpp. The output matrix is loaded and never used.
void build_t5encoder(Builder& b)
{
  const auto x = encoder(b);
  b.output_weight();
  b.finish(b.norm(x, "enc.output_norm", k_global), {});
}

/// t5.cpp: the decoder, whose buffers are reserved for an encoder's output as long as the training context.
void build_t5(Builder& b)
{
  const auto& m = b.model();
  const auto n_layer = m.n_layer_dec ? std::min(m.n_layer_dec, m.n_layer) : m.n_layer;  // the cache has n_layer layers
  auto x = b.inp_embd();
  const auto encoded = b.input(TensorType::f32, m.n_embd, m.n_ctx_train);
  const auto buckets = b.input(TensorType::i32, b.kv_cells(false), b.n_tokens());
  const auto attn = b.attn_inp_kv();
  const auto cross_mask = b.input(b.request().flash_attn ? TensorType::f16 : TensorType::f32, m.n_ctx_train, b.n_tokens());
  const auto out_ids = b.inp_out_ids();
  declare_encoder(b);
  Ref table;
  for (std::uint32_t il = 0; il < n_layer; ++il) {
    const auto n = b.norm(x, "dec.attn_norm", il);
    table = bias_table(b, "dec.attn_rel_b", il, table);
    const auto w = matrices(b, "dec.attn_", il);
    const auto [q, k, v] = heads(b, w, n, n);
    const auto bias = position_bias(b, buckets, table);
    auto y = b.add(b.attention(attn, {.q = q, .k = k, .v = v, .wo = w.o, .kq_b = bias}, il), x);

    const auto crossing = b.norm(y, "dec.cross_attn_norm", il);
    b.weight_if(false, "dec.cross_attn_rel_b", il, {m.n_head(0), m.n_rel_attn_buckets});  // never used
    const auto cw = matrices(b, "dec.cross_attn_", il);
    const auto c = heads(b, cw, crossing, encoded);
    b.expand(c.q);
    b.expand(c.k);
    b.expand(c.v);
    auto a = b.mul_mat(cw.o, b.attention_mha({}, c.q, c.k, c.v, cross_mask, il));
    if (il == n_layer - 1) {
      a = b.get_rows(a, out_ids);
      y = b.get_rows(y, out_ids);
    }
    const auto ffn_inp = b.add(a, y);
    x = b.add(ffn(b, ffn_inp, "dec.ffn_", il), ffn_inp);
  }
  const auto embd = b.norm(x, "dec.output_norm", k_global);
  b.finish(embd, b.mul_mat(b.output_weight(), embd));
}

}  // namespace canirun
