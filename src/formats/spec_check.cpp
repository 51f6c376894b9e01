#include "spec_check.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "canirun/core/media.hpp"

namespace canirun {

namespace {

// Bounds far above every published model and low enough that no product of them overflows 64 bits.
constexpr std::uint32_t k_max_width = 1U << 20;
constexpr std::uint32_t k_max_vocab = 1U << 24;
constexpr std::uint32_t k_max_heads = 1U << 10;
constexpr std::uint32_t k_max_context = 1U << 30;  // what --ctx takes
constexpr std::uint64_t k_max_component = std::uint64_t{1} << 44;
constexpr std::uint32_t k_max_side = 1U << 15;

/// Architectures whose attention is latent always.
constexpr auto k_latent_only = std::to_array<std::string_view>(
    {"deepseek2", "mistral4", "deepseek32", "glm-dsa", "deepseek4", "minicpm3", "plm", "kimi-linear", "kimi-k3", "bailingmoe3"});

/// Architectures of llama.cpp whose layers have experts in every model: their graphs cannot be built without.
constexpr auto k_experts_only = std::to_array<std::string_view>(
    {"afmoe",          "arctic",         "bailingmoe",  "bailingmoe2", "bailingmoe3", "cohere2moe",   "dbrx",       "deepseek",
     "deepseek2",      "deepseek2-ocr",  "deepseek32",  "deepseek4",   "dots1",       "ernie4_5-moe", "exaone-moe", "glm-dsa",
     "glm4moe",        "gpt-oss",        "granitemoe",  "grok",        "grovemoe",    "hunyuan-moe",  "hy_v3",      "kimi-k3",
     "kimi-linear",    "lfm2moe",        "llada-moe",   "llama4",      "minimax-01",  "minimax-m2",   "minimax-m3", "mistral4",
     "nemotron_h_moe", "nomic-bert-moe", "olmoe",       "phimoe",      "qwen2moe",    "qwen35moe",    "qwen3moe",   "qwen3next",
     "qwen3vlmoe",     "rnd1",           "smallthinker"});

std::optional<std::string> above(std::string_view field, std::uint64_t value, std::uint64_t limit)
{
  if (value <= limit) return {};
  return fmt::format("{}: {} is more than {}", field, value, limit);
}

std::optional<std::string> bad_per_layer(std::string_view field, const PerLayer<std::uint32_t>& values, std::uint32_t n_layer,
                                         std::uint32_t limit)
{
  if (!values.varies()) return above(field, values(0), limit);
  if (values.each().size() != n_layer) {
    return fmt::format("{}: {} numbers for {} layers", field, values.each().size(), n_layer);
  }
  return above(field, *std::ranges::max_element(values.each()), limit);
}

std::optional<std::string> bad_layers(std::string_view field, const std::vector<std::uint32_t>& layers, std::uint32_t n_layer)
{
  for (const auto il : layers) {
    if (il >= n_layer) return fmt::format("{}: layer {} does not exist, there are {}", field, il, n_layer);
  }
  return {};
}

std::optional<std::string> bad_heads(const ModelSpec& s)
{
  for (std::uint32_t il = 0; il < s.n_layer; ++il) {
    const auto kv = s.n_head_kv(il);
    const auto q = s.n_head(il);
    if (kv > q) return fmt::format("n_head_kv: layer {} has {} key heads for {} query heads", il, kv, q);
    if (kv && q % kv) return fmt::format("n_head_kv: {} query heads cannot share {} key heads evenly", q, kv);
    if (kv && (s.head_dim_k == 0 || s.head_dim_v == 0)) return "head_dim_k: attention layers need a head width";
  }
  return {};
}

std::optional<std::string> bad_moe(const ModelSpec& s)
{
  const auto& m = *s.moe;
  if (auto e = above("moe.n_expert", m.n_expert, k_max_experts)) return e;
  if (m.n_expert == 0) return "moe.n_expert: a mixture of experts has at least one";
  if (m.n_expert_used == 0 || m.n_expert_used > m.n_expert) {
    return fmt::format("moe.n_expert_used: {} of {} experts", m.n_expert_used, m.n_expert);
  }
  for (const auto width : {m.n_ff_expert, m.n_ff_shared, m.n_ff_chunk, m.expert_latent}) {
    if (auto e = above("moe.n_ff_expert", width, k_max_width)) return e;
  }
  if (auto e = above("moe.n_layer_dense_lead", m.n_layer_dense_lead, s.n_layer)) return e;
  return bad_layers("moe.dense_layers", m.dense_layers, s.n_layer);
}

std::optional<std::string> bad_mla(const ModelSpec& s)
{
  const auto& m = *s.mla;
  for (const auto width : {m.q_lora_rank, m.kv_lora_rank, m.qk_rope_head_dim, m.qk_nope_head_dim, m.v_head_dim, m.indexer_n_head,
                           m.indexer_head_dim}) {
    if (auto e = above("mla", width, k_max_width)) return e;
  }
  return bad_layers("mla.indexer_layers", m.indexer_layers, s.n_layer);
}

std::optional<std::string> bad_ssm(const ModelSpec& s)
{
  const auto& m = *s.ssm;
  for (const auto width : {m.d_conv, m.d_inner, m.d_state, m.n_group, m.dt_rank, m.head_dim, m.n_lora_decay, m.n_lora_iclr,
                           m.n_lora_value, m.n_lora_gate, m.time_mix_extra, m.time_decay_extra, m.token_shift_count}) {
    if (auto e = above("ssm", width, k_max_width)) return e;
  }
  if (m.kind == SsmKind::mamba2 || m.kind == SsmKind::gated_delta) {
    if (m.dt_rank == 0 || m.d_inner % m.dt_rank)
      return fmt::format("ssm.dt_rank: {} heads do not divide d_inner {}", m.dt_rank, m.d_inner);
    const auto shared = m.kind == SsmKind::mamba2 ? m.d_inner : m.dt_rank;
    if (m.n_group == 0 || shared % m.n_group) return fmt::format("ssm.n_group: {} groups do not divide {}", m.n_group, shared);
  }
  const bool rwkv = m.kind == SsmKind::rwkv6 || m.kind == SsmKind::rwkv7;
  if (rwkv && (m.head_dim == 0 || s.n_embd % m.head_dim))
    return fmt::format("ssm.head_dim: heads of {} do not divide n_embd {}", m.head_dim, s.n_embd);
  if (m.kind != SsmKind::none && !rwkv && m.kind != SsmKind::lightning && m.d_conv == 0)
    return "ssm.d_conv: the width of the convolution is missing";
  return {};
}

/// Divisors are not 0 and nothing is so large that a product of shapes would overflow.
std::optional<std::string> bad_media(const MediaSpec& m, std::string_view arch)
{
  for (const auto& c : m.components) {
    if (c.n_params > k_max_component) return fmt::format("components: {} parameters are too many", c.n_params);
  }
  for (const auto side : m.native_resolution) {
    if (auto e = above("native_resolution", side, k_max_side)) return e;
  }
  if (m.latent) {
    const auto& l = *m.latent;
    for (const auto n : {l.channels, l.downscale, l.temporal, l.patch[0], l.patch[1], l.patch[2]}) {
      if (n == 0) return "latent: a number of at least 1 is expected for each of its fields";
      if (auto e = above("latent", n, 4096)) return e;
    }
  }
  if (m.denoiser) {
    const auto& d = *m.denoiser;
    for (const auto n : {d.n_layer, d.n_layer_single, d.n_layer_dual, d.n_layer_refine}) {
      if (auto e = above("denoiser", n, k_max_layers)) return e;
    }
    for (const auto n : {d.n_embd, d.n_ff, d.n_embd_text, d.n_text}) {
      if (auto e = above("denoiser", n, k_max_width)) return e;
      if (n == 0) return "denoiser: n_embd, n_ff, n_embd_text and n_text are at least 1";
    }
    if (d.n_head == 0 || d.n_embd % d.n_head || d.n_embd / d.n_head % 2)
      return fmt::format("denoiser.n_head: {} heads do not divide n_embd {} in even widths", d.n_head, d.n_embd);
    for (const auto n : {d.n_expert, d.n_ff_shared, d.n_embd_audio}) {
      if (auto e = above("denoiser", n, k_max_width)) return e;
    }
    if (arch == "hidream" && (d.n_ff_shared == 0 || d.n_expert_used == 0 || d.n_expert_used > d.n_expert))
      return "denoiser: HiDream has n_ff_shared, n_expert and n_expert_used, of which the last is not above n_expert";
    if (d.n_embd_audio > 0 && (d.n_head_audio == 0 || d.n_embd_audio % d.n_head_audio || d.n_embd_audio / d.n_head_audio % 2))
      return fmt::format("denoiser.n_head_audio: {} heads do not divide n_embd_audio {} in even widths", d.n_head_audio,
                         d.n_embd_audio);
  }
  if (m.sampling) {
    const auto& s = *m.sampling;
    if (s.passes == 0 || s.frames == 0) return "sampling: passes and frames are at least 1";
    for (const auto n : {s.steps, s.passes, s.frames}) {
      if (auto e = above("sampling", n, 10000)) return e;
    }
  }
  if (m.whisper) {
    for (const auto n : {m.whisper->n_layer_enc, m.whisper->n_layer_dec, m.whisper->n_mels, m.whisper->n_audio_ctx}) {
      if (n == 0) return "whisper: each of its fields is at least 1";
      if (auto e = above("whisper", n, 1u << 16)) return e;
    }
  }
  return {};
}

}  // namespace

void complete(ModelSpec& s)
{
  if (s.head_dim_k_swa == 0) s.head_dim_k_swa = s.head_dim_k;
  if (s.head_dim_v_swa == 0) s.head_dim_v_swa = s.head_dim_v;
  if (s.n_rot == 0) s.n_rot = s.head_dim_k;
  if (s.n_rot_swa == 0) s.n_rot_swa = s.head_dim_k_swa != s.head_dim_k ? s.head_dim_k_swa : s.n_rot;
}

std::optional<std::string> invalid(const ModelSpec& s)
{
  if (s.arch.empty() || (s.kind != ModelKind::text && s.kind != ModelKind::embedding)) {
    if (s.n_params == 0) return "n_params: a model without shapes needs its number of parameters";
    if (s.media) {
      if (auto e = bad_media(*s.media, s.arch)) return e;
      if (s.media->whisper) {
        if (auto e = above("n_embd", s.n_embd, k_max_width)) return e;
        if (auto e = above("n_vocab", s.n_vocab, k_max_vocab)) return e;
        if (s.n_embd == 0 || s.n_head(0) == 0 || s.n_embd % s.n_head(0)) return "n_head: the heads do not divide n_embd";
      }
    }
    // A speech model that a language model drives has shapes too and is planned by them.
    if (s.kind != ModelKind::audio || s.n_layer == 0 || s.arch.empty()) return {};
  }
  if (s.n_layer == 0) return "n_layer: a model has at least one layer";
  if (s.n_embd == 0) return "n_embd: the width of the model is missing";
  if (s.n_vocab == 0) return "n_vocab: the size of the vocabulary is missing";
  if (auto e = above("n_layer", s.n_layer, k_max_layers)) return e;
  if (auto e = above("n_layer_nextn", s.n_layer_nextn, k_max_layers)) return e;
  if (auto e = above("n_embd", s.n_embd, k_max_width)) return e;
  if (auto e = above("n_vocab", s.n_vocab, k_max_vocab)) return e;
  if (auto e = bad_per_layer("n_head", s.n_head, s.n_layer, k_max_heads)) return e;
  if (auto e = bad_per_layer("n_head_kv", s.n_head_kv, s.n_layer, k_max_heads)) return e;
  if (auto e = bad_per_layer("n_ff", s.n_ff, s.n_layer, k_max_width)) return e;
  if (auto e = above("context_length", s.n_ctx_train, k_max_context)) return e;
  for (const auto width : {s.head_dim_k, s.head_dim_v, s.head_dim_k_swa, s.head_dim_v_swa, s.n_rot}) {
    if (auto e = above("head_dim_k", width, k_max_width)) return e;
  }
  if (auto e = above("n_pos_emb", s.n_pos_emb, k_max_vocab)) return e;
  if (auto e = above("n_layer_kv_shared", s.n_layer_kv_shared, s.n_layer)) return e;
  if (auto e = bad_layers("recurrent_layers", s.recurrent_layers, s.n_layer)) return e;
  if (auto e = bad_layers("cross_attn_layers", s.cross_attn_layers, s.n_layer)) return e;
  if (auto e = bad_heads(s)) return e;
  if (s.moe) {
    if (auto e = bad_moe(s)) return e;
  } else if (std::ranges::find(k_experts_only, s.arch) != k_experts_only.end()) {
    return fmt::format("moe.n_expert: models of the architecture {} have experts, their number is missing", s.arch);
  }
  if (s.mla) {
    if (auto e = bad_mla(s)) return e;
  } else if (std::ranges::find(k_latent_only, s.arch) != k_latent_only.end()) {
    return fmt::format("mla: models of the architecture {} have latent attention, its widths are missing", s.arch);
  }
  if (s.ssm) {
    if (auto e = bad_ssm(s)) return e;
  }
  if (s.dsv4 && s.dsv4->compress_ratios.size() != s.n_layer) {
    return fmt::format("dsv4.compress_ratios: {} numbers for {} layers", s.dsv4->compress_ratios.size(), s.n_layer);
  }
  return {};
}

}  // namespace canirun
