#pragma once

#include "canirun/core/model.hpp"

/// \file
/// Models as their published config.json files describe them.

namespace canirun {

/// A decoder with grouped-query attention and a gated feed-forward part.
inline ModelSpec decoder(std::string arch, std::uint32_t n_layer, std::uint32_t n_embd, std::uint32_t n_head,
                         std::uint32_t n_head_kv, std::uint32_t head, std::uint32_t n_ff, std::uint32_t n_vocab)
{
  ModelSpec m;
  m.arch = std::move(arch);
  m.n_ctx_train = 32768;
  m.n_layer = n_layer;
  m.n_embd = n_embd;
  m.n_vocab = n_vocab;
  m.n_head = n_head;
  m.n_head_kv = n_head_kv;
  m.n_ff = n_ff;
  m.head_dim_k = m.head_dim_v = m.n_rot = head;
  return m;
}

inline ModelSpec llama_2_7b() { return decoder("llama", 32, 4096, 32, 32, 128, 11008, 32000); }
inline ModelSpec llama_2_70b() { return decoder("llama", 80, 8192, 64, 8, 128, 28672, 32000); }
inline ModelSpec llama_3_1_8b() { return decoder("llama", 32, 4096, 32, 8, 128, 14336, 128256); }

inline ModelSpec mixtral_8x7b()
{
  auto m = decoder("llama", 32, 4096, 32, 8, 128, 14336, 32000);
  m.moe = MoeSpec{};
  m.moe->n_expert = 8;
  m.moe->n_expert_used = 2;
  m.moe->n_ff_expert = 14336;
  return m;
}

inline ModelSpec qwen2_5_7b()
{
  auto m = decoder("qwen2", 28, 3584, 28, 4, 128, 18944, 152064);
  m.attn.bias_qkv = true;
  return m;
}

inline ModelSpec qwen2_5_0_5b()
{
  auto m = decoder("qwen2", 24, 896, 14, 2, 64, 4864, 151936);
  m.attn.bias_qkv = m.tied_embeddings = true;
  return m;
}

inline ModelSpec qwen3_8b()
{
  auto m = decoder("qwen3", 36, 4096, 32, 8, 128, 12288, 151936);
  m.attn.qk_norm = QkNorm::per_head;
  return m;
}

inline ModelSpec qwen3_30b_a3b()
{
  auto m = decoder("qwen3moe", 48, 2048, 32, 4, 128, 6144, 151936);
  m.attn.qk_norm = QkNorm::per_head;
  m.moe = MoeSpec{};
  m.moe->n_expert = 128;
  m.moe->n_expert_used = 8;
  m.moe->n_ff_expert = 768;
  return m;
}

/// Sliding layers but each `period`th.
inline SwaSpec sliding(std::uint32_t window, std::uint32_t n_layer, std::uint32_t period)
{
  SwaSpec swa;
  swa.window = window;
  for (std::uint32_t il = 0; il < n_layer; ++il) swa.local.push_back(il % period != period - 1);
  return swa;
}

inline ModelSpec gemma_2b()
{
  auto m = decoder("gemma", 18, 2048, 8, 1, 256, 16384, 256000);
  m.tied_embeddings = true;
  return m;
}

inline ModelSpec gemma_2_9b()
{
  auto m = decoder("gemma2", 42, 3584, 16, 8, 256, 14336, 256000);
  m.tied_embeddings = true;
  m.swa = sliding(4096, 42, 2);
  return m;
}

inline ModelSpec gemma_3_12b()
{
  auto m = decoder("gemma3", 48, 3840, 16, 8, 256, 15360, 262208);
  m.tied_embeddings = true;
  m.attn.qk_norm = QkNorm::per_head;
  m.swa = sliding(1024, 48, 6);
  return m;
}

inline ModelSpec embeddinggemma_300m()
{
  auto m = decoder("gemma-embedding", 24, 768, 3, 1, 256, 1152, 262144);
  m.kind = ModelKind::embedding;
  m.tied_embeddings = true;
  m.causal = false;
  m.attn.qk_norm = QkNorm::per_head;
  m.swa = sliding(512, 24, 6);
  m.pooling = Pooling::mean;
  return m;
}

inline ModelSpec phi_3_5_mini() { return decoder("phi3", 32, 3072, 32, 32, 96, 8192, 32064); }

inline SsmSpec mamba_2(std::uint32_t d_inner, std::uint32_t n_head, std::uint32_t n_group)
{
  SsmSpec s;
  s.kind = SsmKind::mamba2;
  s.d_conv = 4;
  s.d_inner = d_inner;
  s.d_state = 128;
  s.n_group = n_group;
  s.dt_rank = n_head;
  s.conv_bias = true;
  return s;
}

inline ModelSpec mamba_130m()
{
  auto m = decoder("mamba", 24, 768, 0, 0, 0, 0, 50280);
  m.tied_embeddings = true;
  m.ssm = SsmSpec{};
  m.ssm->kind = SsmKind::mamba1;
  m.ssm->d_conv = 4;
  m.ssm->d_inner = 1536;
  m.ssm->d_state = 16;
  m.ssm->dt_rank = 48;
  return m;
}

inline ModelSpec mamba2_2_7b()
{
  auto m = decoder("mamba2", 64, 2560, 0, 0, 0, 0, 50288);
  m.tied_embeddings = true;
  m.ssm = mamba_2(5120, 80, 1);
  return m;
}

inline ModelSpec granite_4_h_micro()
{
  auto m = decoder("granitehybrid", 40, 2048, 32, 8, 64, 8192, 100352);
  m.tied_embeddings = true;
  m.ssm = mamba_2(4096, 64, 1);
  std::vector<std::uint32_t> n_head_kv(40, 0);
  for (const auto il : {5u, 15u, 25u, 35u}) n_head_kv[il] = 8;
  for (std::uint32_t il = 0; il < 40; ++il) {
    if (n_head_kv[il] == 0) m.recurrent_layers.push_back(il);
  }
  m.n_head_kv = n_head_kv;
  return m;
}

/// Every fourth layer and the last are attention, the others Kimi delta attention.
inline ModelSpec kimi_linear_48b()
{
  auto m = decoder("kimi-linear", 27, 2304, 32, 1, 576, 9216, 163840);
  m.head_dim_v = 512;
  m.n_rot = 64;
  std::vector<std::uint32_t> n_head_kv(27, 0);
  for (std::uint32_t il = 0; il < 27; ++il) {
    if (il % 4 == 3 || il == 26) n_head_kv[il] = 1;
    else m.recurrent_layers.push_back(il);
  }
  m.n_head_kv = n_head_kv;
  m.moe = MoeSpec{};
  m.moe->n_expert = 256;
  m.moe->n_expert_used = 8;
  m.moe->n_expert_shared = 1;
  m.moe->n_ff_expert = m.moe->n_ff_shared = 1024;
  m.moe->n_layer_dense_lead = 1;
  m.moe->router_bias = true;
  m.mla = MlaSpec{};
  m.mla->kv_lora_rank = 512;
  m.mla->qk_rope_head_dim = 64;
  m.mla->qk_nope_head_dim = m.mla->v_head_dim = 128;
  m.ssm = SsmSpec{};
  m.ssm->kind = SsmKind::kda;
  m.ssm->d_conv = 4;
  m.ssm->head_dim = 128;
  return m;
}

inline ModelSpec minimax_m3()
{
  auto m = decoder("minimax-m3", 60, 6144, 64, 4, 128, 12288, 200064);
  m.n_rot = 64;
  m.attn.qk_norm = QkNorm::per_head;
  m.moe = MoeSpec{};
  m.moe->n_expert = 128;
  m.moe->n_expert_used = 4;
  m.moe->n_expert_shared = 1;
  m.moe->n_ff_expert = m.moe->n_ff_shared = 3072;
  m.moe->n_layer_dense_lead = 3;
  m.moe->router_bias = true;
  m.sparse = SparseAttentionSpec{.n_index_head = 4, .index_dim = 128, .block_size = 128, .topk_blocks = 16, .first_layer = 3};
  return m;
}

inline ModelSpec rwkv6_7b()
{
  auto m = decoder("rwkv6", 32, 4096, 0, 0, 0, 14336, 65536);
  for (std::uint32_t il = 0; il < 32; ++il) m.recurrent_layers.push_back(il);
  m.ssm = SsmSpec{};
  m.ssm->kind = SsmKind::rwkv6;
  m.ssm->head_dim = m.ssm->time_mix_extra = 64;
  m.ssm->time_decay_extra = 128;
  return m;
}

/// A router that reads the layer's input, before its norm.
inline ModelSpec smallthinker_4b()
{
  auto m = decoder("smallthinker", 32, 1536, 12, 2, 128, 768, 151936);
  m.moe = MoeSpec{};
  m.moe->n_expert = 32;
  m.moe->n_expert_used = 4;
  m.moe->n_ff_expert = 768;
  return m;
}

/// Every eighth layer is attention, the others linear attention with a fixed decay.
inline ModelSpec minimax_text_01()
{
  auto m = decoder("minimax-01", 80, 6144, 64, 8, 128, 9216, 200064);
  m.n_rot = 64;
  m.moe = MoeSpec{};
  m.moe->n_expert = 32;
  m.moe->n_expert_used = 2;
  m.moe->n_ff_expert = 9216;
  for (std::uint32_t il = 0; il < 80; ++il) {
    if (il % 8 != 7) m.recurrent_layers.push_back(il);
  }
  m.ssm = SsmSpec{};
  m.ssm->kind = SsmKind::lightning;
  m.ssm->head_dim = 128;
  return m;
}

/// Full queries, low-rank keys and values, a feed-forward part without a gate.
inline ModelSpec plm_1_8b()
{
  auto m = decoder("plm", 32, 2048, 16, 16, 192, 8192, 151936);
  m.head_dim_v = 128;
  m.n_rot = 64;
  m.tied_embeddings = true;
  m.ffn_gated = false;
  m.mla = MlaSpec{};
  m.mla->kv_lora_rank = 512;
  m.mla->qk_rope_head_dim = 64;
  m.mla->qk_nope_head_dim = m.mla->v_head_dim = 128;
  return m;
}

inline ModelSpec encoder(std::string arch, std::uint32_t n_layer, std::uint32_t n_embd, std::uint32_t n_head, std::uint32_t n_ff,
                         std::uint32_t n_vocab)
{
  auto m = decoder(std::move(arch), n_layer, n_embd, n_head, n_head, n_embd / n_head, n_ff, n_vocab);
  m.kind = ModelKind::embedding;
  m.causal = false;
  m.tied_embeddings = true;
  m.pooling = Pooling::mean;
  return m;
}

/// ALiBi instead of positions, a gate beside the feed-forward part in one matrix.
inline ModelSpec jina_v2_base()
{
  auto m = encoder("jina-bert-v2", 12, 768, 12, 3072, 30528);
  m.n_token_types = 2;
  m.attn.bias_qkv = m.attn.bias_o = m.ffn_bias = m.norm_bias = true;
  return m;
}

inline ModelSpec neobert() { return encoder("neo-bert", 28, 768, 12, 2048, 30522); }
inline ModelSpec eurobert_210m() { return encoder("eurobert", 12, 768, 12, 3072, 128256); }

/// The text encoder of many image models.
inline ModelSpec t5_v1_1_xxl_encoder()
{
  auto m = decoder("t5encoder", 24, 4096, 64, 64, 64, 10240, 32128);
  m.tied_embeddings = true;
  m.n_rel_attn_buckets = 32;
  return m;
}

inline ModelSpec flan_t5_large()
{
  auto m = decoder("t5", 24, 1024, 16, 16, 64, 2816, 32128);
  m.n_layer_dec = 24;
  m.n_rel_attn_buckets = 32;
  m.n_ctx_train = 512;
  return m;
}

inline ModelSpec plamo_2_8b()
{
  auto m = decoder("plamo2", 32, 4096, 32, 4, 128, 16384, 100000);
  m.tied_embeddings = true;
  std::vector<std::uint32_t> n_head_kv(32, 4);
  for (std::uint32_t il = 0; il < 32; il += 2) {
    n_head_kv[il] = 0;
    m.recurrent_layers.push_back(il);
  }
  m.n_head_kv = n_head_kv;
  m.ssm = SsmSpec{};
  m.ssm->kind = SsmKind::mamba1;
  m.ssm->d_conv = 4;
  m.ssm->d_inner = 8192;
  m.ssm->d_state = m.ssm->dt_rank = 64;
  return m;
}

/// Kimi K3 in its own proportions, smaller.
inline ModelSpec small_kimi_k3()
{
  auto m = kimi_linear_48b();
  m.arch = "kimi-k3";
  m.ssm->full_rank_gate = true;
  m.attn_res_block_size = 12;
  m.moe->expert_latent = 1152;
  m.moe->latent_norm = true;
  return m;
}

/// One model of each way to build a graph.
inline std::vector<ModelSpec> each_kind_of_graph()
{
  return {llama_2_7b(),
          mixtral_8x7b(),
          qwen2_5_0_5b(),
          qwen3_8b(),
          qwen3_30b_a3b(),
          gemma_2b(),
          gemma_2_9b(),
          gemma_3_12b(),
          phi_3_5_mini(),
          mamba_130m(),
          embeddinggemma_300m(),
          mamba2_2_7b(),
          granite_4_h_micro(),
          kimi_linear_48b(),
          small_kimi_k3(),
          minimax_m3(),
          rwkv6_7b(),
          t5_v1_1_xxl_encoder(),
          plamo_2_8b(),
          smallthinker_4b(),
          minimax_text_01(),
          plm_1_8b(),
          jina_v2_base(),
          neobert(),
          eurobert_210m()};
}

}  // namespace canirun
