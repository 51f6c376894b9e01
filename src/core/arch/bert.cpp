#include "arch/families.hpp"
#include "arch/transformer.hpp"

/// Encoders for embeddings: attention over the micro-batch, no cache, no logits.

namespace canirun {
namespace {

Ref layer_norm(Builder& b, Ref cur, std::string_view name, std::uint32_t il)
{
  const auto n_embd = b.model().n_embd;
  const auto w = b.weight(name, il, {n_embd});
  return b.norm(Norm::layer, cur, w, b.bias(name, il, n_embd), il == k_global ? 0 : il);
}

/// A classification head, in the file only: it works on pooled rows, after this graph.
void declare_head(Builder& b, std::uint64_t n_hidden)
{
  const auto& m = b.model();
  b.weight_if(false, "cls", k_global, {m.n_embd, n_hidden});
  b.bias_if(false, "cls", k_global, n_hidden);
  b.weight_if(m.n_cls_out > 0, "cls.output", k_global, {m.n_embd, m.n_cls_out});
  b.bias_if(m.n_cls_out > 0, "cls.output", k_global, m.n_cls_out);
}

/// A pre-norm encoder: eurobert.cpp, neo-bert.cpp.
void pre_norm_encoder(Builder& b, const AttentionOptions& attn_options, const FeedForwardOptions& ffn,
                      std::string_view final_norm)
{
  const auto& m = b.model();
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_no_cache();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto a = self_attention(b, b.norm(x, "attn_norm", il), attn, pos, attn_options, il);
    if (il == m.n_layer - 1) {
      a = b.get_rows(a, out_ids);
      x = b.get_rows(x, out_ids);
    }
    const auto y = b.add(a, x);
    x = b.add(dense_feed_forward(b, b.norm(y, "ffn_norm", il), ffn, il), y);
  }
  b.finish(b.norm(x, final_norm, k_global), {});
}

}  // namespace

/// bert.cpp, nomic-bert.cpp, nomic-bert-moe.cpp, jina-bert-v2.cpp, jina-bert-v3.cpp
void build_bert(Builder& b)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd;
  const auto jina_2 = m.arch == "jina-bert-v2", rotated = m.arch != "bert" && !jina_2;
  const auto pos = jina_2 ? Ref{} : b.inp_pos();
  auto x = b.inp_embd();
  if (const auto types = b.weight_if(m.n_token_types > 0, "token_types", k_global, {n_embd, m.n_token_types})) {
    x = b.add(x, b.view_1d(types, n_embd, 0));
  }
  if (m.arch == "bert") {
    const auto table = b.weight("position_embd", k_global, {n_embd, m.n_ctx_train});
    x = b.add(b.get_rows(table, pos), x);
  }
  x = layer_norm(b, x, "token_embd_norm", k_global);
  declare_head(b, jina_2 ? 1 : n_embd);
  const auto attn = b.attn_inp_no_cache();
  const auto out_ids = b.inp_out_ids();

  FeedForwardOptions ffn{.act = Act::gelu, .gated = false, .expert_act = Act::gelu};
  ffn.norm_weights = false;
  if (m.arch == "nomic-bert") ffn = {};
  if (jina_2) ffn = {.act = m.ffn_gated ? Act::geglu : Act::gelu, .gated = false, .fused_gate = m.ffn_gated};
  AttentionOptions options{
      .fused_qkv = m.arch.starts_with("nomic"), .qk_norm_kind = Norm::layer, .rope = rotated, .out_bias = true};
  for (const auto il : b.layers()) {
    auto a = self_attention(b, x, attn, pos, options, il);
    if (il == m.n_layer - 1) {
      a = b.get_rows(a, out_ids);
      x = b.get_rows(x, out_ids);
    }
    const auto y = layer_norm(b, b.add(a, x), "attn_output_norm", il);
    x = layer_norm(b, b.add(feed_forward(b, y, ffn, il), y), "layer_output_norm", il);
  }
  b.finish(x, {});
}

/// modern-bert.cpp: the first layer has no norm before its attention.
void build_modern_bert(Builder& b)
{
  const auto& m = b.model();
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto norm = [&](Ref cur, std::string_view name, std::uint32_t il, bool exists = true) {
    const auto w = b.weight_if(exists, name, il, {m.n_embd});
    return w ? b.norm(Norm::layer, cur, w, {}, il == k_global ? 0 : il) : cur;
  };
  x = norm(x, "token_embd_norm", k_global);
  declare_head(b, m.n_embd);
  b.weight_if(false, "cls.norm", k_global, {m.n_embd});
  const auto attn = b.attn_inp_no_cache();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto a = self_attention(b, norm(x, "attn_norm", il, il > 0), attn, pos, {.fused_qkv = true}, il);
    if (il == m.n_layer - 1) {
      a = b.get_rows(a, out_ids);
      x = b.get_rows(x, out_ids);
    }
    const auto y = b.add(a, x);
    x = b.add(dense_feed_forward(b, norm(y, "ffn_norm", il), {.act = Act::geglu, .fused_gate = true}, il), y);
  }
  b.finish(norm(x, "output_norm", k_global), {});
}

/// eurobert.cpp
void build_eurobert(Builder& b) { pre_norm_encoder(b, {}, {}, "output_norm"); }

/// neo-bert.cpp
void build_neo_bert(Builder& b)
{
  declare_head(b, b.model().n_embd);
  pre_norm_encoder(b, {.fused_qkv = true}, {.act = Act::swiglu, .fused_gate = true}, "enc.output_norm");
}

}  // namespace canirun
