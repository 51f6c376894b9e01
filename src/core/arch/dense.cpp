#include "arch/transformer.hpp"
#include "arch/families.hpp"

/// Families that are the plain decoder with other options. Each function names its source in llama.cpp's src/models/.

namespace canirun {
namespace {

/// LayerNorm with bias, biases elsewhere, no gate: the GPT-2 lineage.
TransformerOptions gpt_options()
{
  return {.norm = Norm::layer,
          .norm_bias = true,
          .attn = {.fused_qkv = true, .out_bias = true},
          .ffn = {.act = Act::gelu, .gated = false}};
}

TransformerOptions post_norm_options(QkNorm qk_norm)
{
  return {.pre_norm = false, .post_norm = true, .attn = {.qk_norm = qk_norm}};
}

}  // namespace

// --- Llama with small changes ---------------------------------------------------------------------------------------------------

/// internlm2.cpp, xverse.cpp
void build_plain(Builder& b) { transformer(b, {}); }

/// exaone.cpp
void build_exaone(Builder& b) { transformer(b, {.attn = {.rope_factors = true}}); }

/// exaone4.cpp: only the 32B model has sliding layers, and then only they are rotated.
void build_exaone4(Builder& b)
{
  auto o = post_norm_options(QkNorm::per_head);
  o.attn.rope_factors = true;
  if (b.model().swa) o.rope = Rope::sliding;
  transformer(b, o);
}

/// exaone-moe.cpp
void build_exaone_moe(Builder& b)
{
  transformer(b, {.attn = {.qk_norm = QkNorm::per_head, .rope_factors = true},
                  .rope = Rope::sliding,
                  .ffn = {.gating = Gating::sigmoid, .scale_weights = true}});
}

/// seed-oss.cpp
void build_seed_oss(Builder& b) { transformer(b, {.ffn_norm = "post_attention_norm"}); }

/// smollm3.cpp
void build_smollm3(Builder& b) { transformer(b, {.attn = {.out_bias = true}, .rope = Rope::skip_last_of_4}); }

/// arcee.cpp
void build_arcee(Builder& b) { transformer(b, {.attn = {.rope_factors = true}, .ffn = {.act = Act::relu_sqr, .gated = false}}); }

/// apertus.cpp: its xIELU is one operation, as any activation.
void build_apertus(Builder& b)
{
  transformer(b, {.attn = {.qk_norm = QkNorm::per_head, .rope_factors = true, .out_bias = true},
                  .ffn = {.act = Act::gelu, .gated = false}});
}

/// baichuan.cpp: 13B (40 layers) has ALiBi.
void build_baichuan(Builder& b)
{
  const auto alibi = b.model().n_layer != 32;
  transformer(b, {.positions = alibi ? 0U : 1U, .rope = alibi ? Rope::none : Rope::all});
}

/// orion.cpp
void build_orion(Builder& b) { transformer(b, {.norm = Norm::layer, .norm_bias = true}); }

/// qwen.cpp
void build_qwen1(Builder& b) { transformer(b, {.attn = {.fused_qkv = true}, .ffn = {.halved = true}}); }

/// mistral3.cpp
void build_mistral3(Builder& b) { transformer(b, {.attn = {.rope_factors = true, .out_bias = true}, .temperature = true}); }

/// granite.cpp, granite-moe.cpp, minicpm.cpp
void build_granite(Builder& b)
{
  transformer(
      b, {.scaled_embd = true, .attn = {.rope_factors = true, .out_bias = true}, .scaled_residual = true, .scaled_logits = true});
}

/// granite-swa.cpp: layers slide and have attention sinks. Image features that a file maps onto layers are not built.
void build_granite_swa(Builder& b)
{
  transformer(b, {.scaled_embd = true,
                  .attn = {.rope_factors = true, .sinks = true, .out_bias = true},
                  .scaled_residual = true,
                  .scaled_logits = true});
}

/// llada.cpp, dream.cpp: diffusion models run without a cache.
void build_diffusion(Builder& b) { transformer(b, {.attn = {.out_bias = true}, .no_cache = true}); }

/// rnd1.cpp, llada-moe.cpp: the same with experts.
void build_diffusion_moe(Builder& b)
{
  transformer(b, {.attn = {.qk_norm = QkNorm::per_head, .out_bias = true},
                  .ffn = {.norm_weights = b.model().arch == "rnd1"},
                  .no_cache = true});
}

/// pangu-embed.cpp
void build_pangu(Builder& b) { transformer(b, {.attn = {.out_bias = true}}); }

/// olmo.cpp
void build_olmo(Builder& b) { transformer(b, {.norm = Norm::layer, .norm_weight = false}); }

/// olmo2.cpp, also OLMo 3
void build_olmo2(Builder& b) { transformer(b, post_norm_options(QkNorm::full_width)); }

/// olmoe.cpp
void build_olmoe(Builder& b) { transformer(b, {.attn = {.qk_norm = QkNorm::full_width}, .ffn = {.norm_weights = false}}); }

/// bitnet.cpp: its output matrix is the token embedding itself, which stays on the host.
void build_bitnet(Builder& b)
{
  transformer(b, {.attn = {.sub_norm = true}, .ffn = {.sub_norm = true}, .output_from_input = true});
}

// --- GPT-2 and relatives ----------------------------------------------------------------------------------------------------------

/// gpt2.cpp, starcoder.cpp
void build_gpt2(Builder& b)
{
  auto o = gpt_options();
  o.pos_embd = true;
  o.rope = Rope::none;
  transformer(b, o);
}

/// mpt.cpp
void build_mpt(Builder& b)
{
  auto o = gpt_options();
  o.norm_bias = false;
  o.pos_embd = true;
  o.positions = b.model().n_pos_emb > 0 ? 1 : 0;
  o.rope = Rope::none;
  transformer(b, o);
}

/// bloom.cpp
void build_bloom(Builder& b)
{
  auto o = gpt_options();
  o.embd_norm = true;
  o.positions = 0;
  o.rope = Rope::none;
  transformer(b, o);
}

/// gptneox.cpp
void build_gptneox(Builder& b)
{
  auto o = gpt_options();
  if (b.model().parallel_residual) o.residual = Residual::second_norm;
  transformer(b, o);
}

/// falcon.cpp: the 40B model has a second norm.
void build_falcon(Builder& b)
{
  auto o = gpt_options();
  o.attn.out_bias = false;
  o.attn_norm_2 = true;
  o.residual = Residual::ffn_first;
  transformer(b, o);
}

/// starcoder2.cpp
void build_starcoder2(Builder& b)
{
  auto o = gpt_options();
  o.attn.fused_qkv = false;
  transformer(b, o);
}

/// nemotron.cpp
void build_nemotron(Builder& b)
{
  auto o = gpt_options();
  o.attn.fused_qkv = false;
  o.ffn.act = Act::relu_sqr;
  transformer(b, o);
}

/// phi2.cpp
void build_phi2(Builder& b)
{
  auto o = gpt_options();
  o.attn.fused_qkv = false;
  o.attn.q_scaled = true;
  o.residual = Residual::attention_first;
  transformer(b, o);
}

/// stablelm.cpp: 12B has norms of Q and K and no ffn_norm.
void build_stablelm(Builder& b)
{
  const auto parallel = b.model().norms_per_layer == 1;
  transformer(b, {.norm = Norm::layer,
                  .norm_bias = true,
                  .attn = {.qk_norm = QkNorm::per_head_each, .qk_norm_kind = Norm::layer, .qk_norm_optional = true},
                  .residual = parallel ? Residual::normed_input : Residual::sequential});
}

/// command-r.cpp: R+ (64 layers and more) has norms of Q and K.
void build_command_r(Builder& b)
{
  transformer(b,
              {.norm = Norm::layer,
               .attn = {.qk_norm = b.model().n_layer >= 64 ? QkNorm::per_head_each : QkNorm::none, .qk_norm_kind = Norm::layer},
               .residual = Residual::input_second,
               .scaled_logits = true});
}

/// cohere2.cpp
void build_cohere2(Builder& b)
{
  transformer(b, {.norm = Norm::layer, .rope = Rope::sliding, .residual = Residual::input_second, .scaled_logits = true});
}

// --- Mixtures of experts ------------------------------------------------------------------------------------------------------------

/// qwen2moe.cpp
void build_qwen2moe(Builder& b) { transformer(b, {.ffn = {.norm_weights = false, .shared_gate = SharedGate::silu}}); }

/// minimax-m2.cpp
void build_minimax_m2(Builder& b)
{
  transformer(b, {.attn = {.qk_norm = QkNorm::full_width}, .ffn = {.gating = Gating::sigmoid}});
}

/// afmoe.cpp
void build_afmoe(Builder& b)
{
  transformer(b, {.scaled_embd = true,
                  .post_norm = true,
                  .post_norm_all_rows = true,
                  .attn = {.qk_norm = QkNorm::per_head, .out_gate = OutGate::separate},
                  .rope = Rope::skip_last_of_4,
                  .ffn = {.gating = Gating::sigmoid, .scale_weights = true}});
}

/// laguna.cpp
void build_laguna(Builder& b)
{
  transformer(b, {.attn = {.qk_norm = QkNorm::per_head, .out_gate = OutGate::per_head},
                  .ffn = {.gating = Gating::sigmoid, .scale_weights = true}});
}

/// hy-v3.cpp
void build_hy_v3(Builder& b)
{
  transformer(b, {.attn = {.qk_norm = QkNorm::per_head, .rope_factors = true, .out_bias = true},
                  .ffn = {.gating = Gating::sigmoid, .scale_weights = true, .bare_router_bias = true, .gate_up_exps = true},
                  .late_outputs = true});
}

/// mimo2.cpp
void build_mimo2(Builder& b)
{
  transformer(b, {.attn = {.sinks = true, .out_scaled = true}, .ffn = {.gating = Gating::sigmoid}});
}

/// step35.cpp
void build_step35(Builder& b)
{
  transformer(b, {.attn = {.qk_norm = QkNorm::per_head,
                           .qk_norm_optional = true,
                           .rope_factors = true,
                           .rope_factors_swa = false,
                           .out_gate = OutGate::per_head},
                  .ffn = {.gating = Gating::sigmoid, .scale_weights = true},
                  .late_outputs = true,
                  .nextn_before_norm = true});
}

// --- Vision-language trunks -----------------------------------------------------------------------------------------------------------

/// qwen2vl.cpp
void build_qwen2vl(Builder& b) { transformer(b, {.positions = 4}); }

/// qwen3vl.cpp, qwen3vlmoe.cpp
void build_qwen3vl(Builder& b)
{
  transformer(b, {.positions = 4, .attn = {.qk_norm = QkNorm::per_head, .out_bias = true}, .deepstack = true});
}

}  // namespace canirun
