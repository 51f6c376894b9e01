#include "arch/families.hpp"
#include "arch/transformer.hpp"

/// More families that are the plain decoder with other options. Each function names its source in llama.cpp's src/models/.

namespace canirun {

// --- GPT-2 and relatives ----------------------------------------------------------------------------------------------------------

/// codeshell.cpp
void build_codeshell(Builder& b)
{
  transformer(b, {.norm = Norm::layer,
                  .norm_bias = true,
                  .attn = {.fused_qkv = true, .out_bias = true},
                  .ffn = {.act = Act::gelu, .gated = false}});
}

/// jais.cpp: ALiBi, and a gate.
void build_jais(Builder& b)
{
  transformer(
      b,
      {.positions = 0, .norm = Norm::layer, .norm_bias = true, .attn = {.fused_qkv = true, .out_bias = true}, .rope = Rope::none});
}

// --- Llama with small changes -------------------------------------------------------------------------------------------------------

/// refact.cpp: ALiBi.
void build_refact(Builder& b) { transformer(b, {.positions = 0, .rope = Rope::none}); }

/// plamo.cpp: both parts read one norm.
void build_plamo(Builder& b) { transformer(b, {.residual = Residual::ffn_first}); }

/// plamo3.cpp
void build_plamo3(Builder& b)
{
  transformer(b, {.post_norm = true,
                  .post_norm_bare = true,
                  .attn = {.fused_qkv = true, .qk_norm = QkNorm::per_head},
                  .ffn = {.act = Act::swiglu, .fused_gate = true}});
}

/// openelm.cpp: heads and widths vary by layer.
void build_openelm(Builder& b)
{
  transformer(b, {.attn = {.fused_qkv = true, .qk_norm = QkNorm::per_head}, .input_first = true});
}

/// paddleocr.cpp: the trunk of ERNIE 4.5 with multi-modal rotation.
void build_paddleocr(Builder& b) { transformer(b, {.positions = 4, .attn = {.out_bias = true}}); }

/// spark2-5.cpp
void build_spark2_5(Builder& b) { transformer(b, {.attn = {.out_gate = OutGate::per_head}, .ffn = {.act = Act::gelu}}); }

/// muse-glimmer.cpp
void build_muse_glimmer(Builder& b)
{
  transformer(b, {.embd_scaled_to_unit = true,
                  .post_norm = true,
                  .post_norm_all_rows = true,
                  .attn = {.qk_norm = QkNorm::per_head, .out_gate = OutGate::separate},
                  .rope = Rope::sliding,
                  .scaled_logits = true,
                  .capped_logits = true});
}

// --- Mixtures of experts ------------------------------------------------------------------------------------------------------------

/// cohere2moe.cpp
void build_cohere2moe(Builder& b)
{
  transformer(b, {.norm = Norm::layer,
                  .rope = Rope::sliding_or_lead,
                  .ffn = {.gating = Gating::sigmoid, .halved_sum = true, .gate_up_exps = true},
                  .residual = Residual::input_second,
                  .late_outputs = true,
                  .scaled_logits = true});
}

/// mellum.cpp
void build_mellum(Builder& b) { transformer(b, {.attn = {.qk_norm = QkNorm::per_head}}); }

/// maple.cpp: its clamped SwiGLU is one operation, as the plain one.
void build_maple(Builder& b) { transformer(b, {.attn = {.qk_norm = QkNorm::per_head}, .rope = Rope::sliding}); }

// --- Models with graphs of their own ------------------------------------------------------------------------------------------------

/// cogvlm.cpp: matrices for text and others of the same shapes for images; text is what a context is reserved for. Logits of every
/// token, whatever was asked for.
void build_cogvlm(Builder& b)
{
  const auto& m = b.model();
  const std::uint64_t n_embd = m.n_embd, width = std::uint64_t{m.head_dim_k} * m.n_head(0), n_ff = m.n_ff(0);
  auto x = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_kv();
  for (const auto il : b.layers()) {
    auto cur = b.norm(x, "attn_norm", il);
    const auto wqkv = b.weight("attn_qkv", il, {n_embd, 3 * width}), wo = b.weight("attn_output", il, {width, n_embd});
    (void)b.weight("vis_attn_qkv", il, {n_embd, 3 * width});
    (void)b.weight("vis_attn_output", il, {width, n_embd});
    (void)rope_factors(b, il);
    const auto qkv = b.mul_mat(wqkv, cur);
    const auto heads = [&](std::uint64_t i) {
      return b.view_3d(qkv, m.head_dim_k, m.n_head(0), b.n_tokens(), std::uint64_t{m.head_dim_k} * 4, b.at(qkv).nb[1],
                       i * n_embd * 4);
    };
    const auto q = b.rope(heads(0), pos), k = b.rope(heads(1), pos);
    const auto y = b.add(b.attention(attn, {.q = q, .k = k, .v = heads(2), .wo = wo}, il), x);
    cur = b.norm(y, "ffn_norm", il);
    cur = b.ffn(cur, b.ffn_weights(il, n_ff));
    (void)b.weight("vis_gate", il, {n_embd, n_ff});
    (void)b.weight("vis_down", il, {n_ff, n_embd});
    (void)b.weight("vis_up", il, {n_embd, n_ff});
    x = b.add(cur, y);
  }
  b.finish_lm(x);
}

/// talkie.cpp: no norm but that of Q has a weight; each layer adds the normed embedding once more.
void build_talkie(Builder& b)
{
  const auto& m = b.model();
  const auto unit = [&](Ref cur, std::uint32_t il) { return b.norm(Norm::rms, cur, {}, {}, il); };
  auto x = unit(b.inp_embd(), k_global);
  const auto embd = x;
  const auto pos = b.inp_pos();
  const auto attn = b.attn_inp_kv();
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto [q, k, v] = b.qkv(unit(x, il), il, b.qkv_shape(il));
    const auto wo = b.weight("attn_output", il, {m.head_k(il) * m.n_head(il), m.n_embd});
    const auto q_norm = b.weight("attn_q_norm", il, {1, m.n_head(il)});
    q = b.norm(Norm::rms, b.rope(q, pos), q_norm, {}, il);
    k = unit(b.rope(k, pos), il);
    auto cur = b.attention(attn, {.q = q, .k = k, .v = v, .wo = wo}, il);
    auto skip = embd;
    if (il == m.n_layer - 1) {
      cur = b.get_rows(cur, out_ids);
      x = b.get_rows(x, out_ids);
      skip = b.get_rows(skip, out_ids);
    }
    const auto y = b.add(cur, x);
    cur = b.add(b.ffn(unit(y, il), b.ffn_weights(il, m.n_ff(il))), y);
    x = b.add(cur, b.mul(skip, b.weight("layer_output_scale", il, {1})));
  }
  x = unit(x, k_global);
  b.finish(x, b.scale(b.mul_mat(b.output_weight(), x)));
}

}  // namespace canirun
