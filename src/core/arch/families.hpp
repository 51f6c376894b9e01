#pragma once

#include "arch/builder.hpp"

/// \file
/// The functions of registry.cpp, one an architecture, by family file.

namespace canirun {

// gemma.cpp
void build_gemma(Builder& b);
void build_gemma2(Builder& b);
void build_gemma3(Builder& b);
void build_gemma_embedding(Builder& b);
// llama.cpp
void build_llama(Builder& b);
void build_chameleon(Builder& b);
void build_llama_embed(Builder& b);
// phi3.cpp
void build_phi3(Builder& b);
// qwen.cpp
void build_qwen2(Builder& b);
void build_qwen3(Builder& b);
void build_qwen3moe(Builder& b);
// deepseek.cpp
void build_deepseek(Builder& b);
void build_deepseek2_ocr(Builder& b);
// deepseek2.cpp
void build_deepseek2(Builder& b);
void build_mistral4(Builder& b);
// deepseek32.cpp
void build_deepseek32(Builder& b);
void build_glm_dsa(Builder& b);
// deepseek4.cpp
void build_deepseek4(Builder& b);
// dots1.cpp
void build_dots1(Builder& b);
// bailing.cpp
void build_bailingmoe(Builder& b);
void build_bailingmoe2(Builder& b);
void build_bailingmoe3(Builder& b);
// hunyuan.cpp
void build_hunyuan_dense(Builder& b);
void build_hunyuan_vl(Builder& b);
void build_hunyuan_moe(Builder& b);
// ernie.cpp
void build_ernie4_5(Builder& b);
void build_ernie4_5_moe(Builder& b);
// glm.cpp
void build_chatglm(Builder& b);
void build_glm4(Builder& b);
void build_glm4moe(Builder& b);
// dbrx.cpp
void build_dbrx(Builder& b);
// arctic.cpp
void build_arctic(Builder& b);
// minicpm3.cpp
void build_minicpm3(Builder& b);
void build_plm(Builder& b);
// gpt_oss.cpp
void build_gpt_oss(Builder& b);
// llama4.cpp
void build_llama4(Builder& b);
// grok.cpp
void build_grok(Builder& b);
// dense.cpp
void build_plain(Builder& b);
void build_exaone(Builder& b);
void build_exaone4(Builder& b);
void build_exaone_moe(Builder& b);
void build_seed_oss(Builder& b);
void build_smollm3(Builder& b);
void build_arcee(Builder& b);
void build_apertus(Builder& b);
void build_baichuan(Builder& b);
void build_orion(Builder& b);
void build_qwen1(Builder& b);
void build_mistral3(Builder& b);
void build_granite(Builder& b);
void build_granite_swa(Builder& b);
void build_diffusion(Builder& b);
void build_diffusion_moe(Builder& b);
void build_pangu(Builder& b);
void build_olmo(Builder& b);
void build_olmo2(Builder& b);
void build_olmoe(Builder& b);
void build_bitnet(Builder& b);
void build_gpt2(Builder& b);
void build_mpt(Builder& b);
void build_bloom(Builder& b);
void build_gptneox(Builder& b);
void build_falcon(Builder& b);
void build_starcoder2(Builder& b);
void build_nemotron(Builder& b);
void build_phi2(Builder& b);
void build_stablelm(Builder& b);
void build_command_r(Builder& b);
void build_cohere2(Builder& b);
void build_qwen2moe(Builder& b);
void build_minimax_m2(Builder& b);
void build_afmoe(Builder& b);
void build_hy_v3(Builder& b);
void build_laguna(Builder& b);
void build_mimo2(Builder& b);
void build_step35(Builder& b);
void build_qwen2vl(Builder& b);
void build_qwen3vl(Builder& b);
// dense_others.cpp
void build_codeshell(Builder& b);
void build_jais(Builder& b);
void build_refact(Builder& b);
void build_plamo(Builder& b);
void build_plamo3(Builder& b);
void build_openelm(Builder& b);
void build_paddleocr(Builder& b);
void build_spark2_5(Builder& b);
void build_muse_glimmer(Builder& b);
void build_cohere2moe(Builder& b);
void build_mellum(Builder& b);
void build_maple(Builder& b);
void build_cogvlm(Builder& b);
void build_talkie(Builder& b);
// qwen35.cpp
void build_qwen3next(Builder& b);
void build_qwen35(Builder& b);
// lfm2.cpp
void build_lfm2(Builder& b);
// phimoe.cpp
void build_phimoe(Builder& b);
// deci.cpp
void build_deci(Builder& b);
// bert.cpp
void build_bert(Builder& b);
void build_modern_bert(Builder& b);
void build_eurobert(Builder& b);
void build_neo_bert(Builder& b);
// gemma4.cpp
void build_gemma4(Builder& b);
// gemma3n.cpp
void build_gemma3n(Builder& b);
// expert_variants.cpp
void build_grovemoe(Builder& b);
void build_smallthinker(Builder& b);
// minimax01.cpp
void build_minimax_01(Builder& b);
void build_minimax_m3(Builder& b);
void build_kimi_linear(Builder& b);
void build_kimi_k3(Builder& b);
// rwkv7.cpp
void build_t5(Builder& b);
void build_plamo2(Builder& b);
void build_t5encoder(Builder& b);
void build_rwkv6(Builder& b);
void build_rwkv6qwen2(Builder& b);
void build_rwkv7(Builder& b);
void build_arwkv7(Builder& b);
// mamba.cpp
void build_mamba(Builder& b);
// mamba_hybrid.cpp
void build_falcon_h1(Builder& b);
void build_granite_hybrid(Builder& b);
void build_jamba(Builder& b);
void build_nemotron_h(Builder& b);

}  // namespace canirun
