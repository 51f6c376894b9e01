#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "canirun/core/media.hpp"
#include "canirun/core/model.hpp"

/// \file
/// The fields of a ModelSpec as `data/models.json` spells them: one table for reading and writing. Enumerations and lists with a
/// form of their own (sliding windows, recurrent layers, attention) are in catalogue_entry.cpp.

namespace canirun {

template <typename T>
using Member = std::variant<std::uint32_t T::*, std::uint64_t T::*, bool T::*, PerLayer<std::uint32_t> T::*,
                            std::vector<std::uint32_t> T::*>;

/// A key and the member it fills.
template <typename T>
struct Field {
  std::string_view key;
  Member<T> member;
};

/// In the order of the file. A table is short and looked up in that order, so a linear search is the quick one.
inline constexpr auto k_spec_fields = std::to_array<Field<ModelSpec>>({
    {"n_params", &ModelSpec::n_params},
    {"n_params_active", &ModelSpec::n_params_active},
    {"n_params_mmproj", &ModelSpec::n_params_mmproj},
    {"n_params_mtp", &ModelSpec::n_params_mtp},
    {"context_length", &ModelSpec::n_ctx_train},
    {"n_layer", &ModelSpec::n_layer},
    {"n_layer_nextn", &ModelSpec::n_layer_nextn},
    {"n_layer_dec", &ModelSpec::n_layer_dec},
    {"n_embd", &ModelSpec::n_embd},
    {"n_embd_out", &ModelSpec::n_embd_out},
    {"n_vocab", &ModelSpec::n_vocab},
    {"n_head", &ModelSpec::n_head},
    {"n_head_kv", &ModelSpec::n_head_kv},
    {"head_dim_k", &ModelSpec::head_dim_k},
    {"head_dim_v", &ModelSpec::head_dim_v},
    {"head_dim_k_swa", &ModelSpec::head_dim_k_swa},
    {"head_dim_v_swa", &ModelSpec::head_dim_v_swa},
    {"n_rot", &ModelSpec::n_rot},
    {"n_rot_swa", &ModelSpec::n_rot_swa},
    {"n_ff", &ModelSpec::n_ff},
    {"tied_embeddings", &ModelSpec::tied_embeddings},
    {"causal", &ModelSpec::causal},
    {"norm_bias", &ModelSpec::norm_bias},
    {"ffn_gated", &ModelSpec::ffn_gated},
    {"ffn_bias", &ModelSpec::ffn_bias},
    {"lm_head_bias", &ModelSpec::lm_head_bias},
    {"rope_freqs", &ModelSpec::rope_freqs},
    {"norms_per_layer", &ModelSpec::norms_per_layer},
    {"swin_norm", &ModelSpec::swin_norm},
    {"parallel_residual", &ModelSpec::parallel_residual},
    {"n_layer_kv_shared", &ModelSpec::n_layer_kv_shared},
    {"k_eq_v", &ModelSpec::k_eq_v},
    {"n_pos_emb", &ModelSpec::n_pos_emb},
    {"n_token_types", &ModelSpec::n_token_types},
    {"pooler", &ModelSpec::pooler},
    {"n_cls_out", &ModelSpec::n_cls_out},
    {"n_rel_attn_buckets", &ModelSpec::n_rel_attn_buckets},
    {"n_deepstack_layers", &ModelSpec::n_deepstack_layers},
    {"attn_res_block_size", &ModelSpec::attn_res_block_size},
    {"cross_attn_layers", &ModelSpec::cross_attn_layers},
});

inline constexpr auto k_attention_fields = std::to_array<Field<AttentionSpec>>({
    {"qk_norm_bias", &AttentionSpec::qk_norm_bias},
    {"bias_qkv", &AttentionSpec::bias_qkv},
    {"bias_o", &AttentionSpec::bias_o},
    {"sinks", &AttentionSpec::sinks},
    {"sinks_swa_only", &AttentionSpec::sinks_swa_only},
});

inline constexpr auto k_moe_fields = std::to_array<Field<MoeSpec>>({
    {"n_expert", &MoeSpec::n_expert},
    {"n_expert_used", &MoeSpec::n_expert_used},
    {"n_expert_shared", &MoeSpec::n_expert_shared},
    {"n_expert_zero", &MoeSpec::n_expert_zero},
    {"n_ff_expert", &MoeSpec::n_ff_expert},
    {"n_ff_shared", &MoeSpec::n_ff_shared},
    {"n_ff_chunk", &MoeSpec::n_ff_chunk},
    {"n_group_experts", &MoeSpec::n_group_experts},
    {"n_layer_dense_lead", &MoeSpec::n_layer_dense_lead},
    {"dense_layers", &MoeSpec::dense_layers},
    {"expert_latent", &MoeSpec::expert_latent},
    {"latent_norm", &MoeSpec::latent_norm},
    {"router_bias", &MoeSpec::router_bias},
    {"shared_gate", &MoeSpec::shared_gate},
    {"gated", &MoeSpec::gated},
    {"expert_bias", &MoeSpec::expert_bias},
});

inline constexpr auto k_mla_fields = std::to_array<Field<MlaSpec>>({
    {"q_lora_rank", &MlaSpec::q_lora_rank},
    {"kv_lora_rank", &MlaSpec::kv_lora_rank},
    {"qk_rope_head_dim", &MlaSpec::qk_rope_head_dim},
    {"qk_nope_head_dim", &MlaSpec::qk_nope_head_dim},
    {"v_head_dim", &MlaSpec::v_head_dim},
    {"indexer_n_head", &MlaSpec::indexer_n_head},
    {"indexer_head_dim", &MlaSpec::indexer_head_dim},
    {"indexer_top_k", &MlaSpec::indexer_top_k},
    {"indexer_layers", &MlaSpec::indexer_layers},
});

inline constexpr auto k_ssm_fields = std::to_array<Field<SsmSpec>>({
    {"d_conv", &SsmSpec::d_conv},
    {"d_inner", &SsmSpec::d_inner},
    {"d_state", &SsmSpec::d_state},
    {"n_group", &SsmSpec::n_group},
    {"dt_rank", &SsmSpec::dt_rank},
    {"head_dim", &SsmSpec::head_dim},
    {"dt_b_c_norm", &SsmSpec::dt_b_c_norm},
    {"conv_bias", &SsmSpec::conv_bias},
    {"norm", &SsmSpec::norm},
    {"full_rank_gate", &SsmSpec::full_rank_gate},
    {"token_shift_count", &SsmSpec::token_shift_count},
    {"n_lora_decay", &SsmSpec::n_lora_decay},
    {"n_lora_iclr", &SsmSpec::n_lora_iclr},
    {"n_lora_value", &SsmSpec::n_lora_value},
    {"n_lora_gate", &SsmSpec::n_lora_gate},
    {"time_mix_extra", &SsmSpec::time_mix_extra},
    {"time_decay_extra", &SsmSpec::time_decay_extra},
});

inline constexpr auto k_per_layer_embd_fields = std::to_array<Field<PerLayerEmbedding>>({
    {"n_embd", &PerLayerEmbedding::n_embd},
    {"n_vocab", &PerLayerEmbedding::n_vocab},
});

inline constexpr auto k_dsv4_fields = std::to_array<Field<DeepSeek4Spec>>({
    {"hc_mult", &DeepSeek4Spec::hc_mult},
    {"o_groups", &DeepSeek4Spec::o_groups},
    {"o_lora_rank", &DeepSeek4Spec::o_lora_rank},
    {"num_hash_layers", &DeepSeek4Spec::num_hash_layers},
    {"compress_ratios", &DeepSeek4Spec::compress_ratios},
});

inline constexpr auto k_sparse_fields = std::to_array<Field<SparseAttentionSpec>>({
    {"n_index_head", &SparseAttentionSpec::n_index_head},
    {"index_dim", &SparseAttentionSpec::index_dim},
    {"block_size", &SparseAttentionSpec::block_size},
    {"topk_blocks", &SparseAttentionSpec::topk_blocks},
    {"first_layer", &SparseAttentionSpec::first_layer},
});

/// Image, video and audio models (media.hpp).
inline constexpr std::array<Field<Latent>, 3> k_latent_fields{
    {{"channels", &Latent::channels}, {"downscale", &Latent::downscale}, {"temporal", &Latent::temporal}}};

inline constexpr std::array<Field<DenoiserSpec>, 16> k_denoiser_fields{{{"n_layer", &DenoiserSpec::n_layer},
                                                                        {"n_layer_single", &DenoiserSpec::n_layer_single},
                                                                        {"n_layer_dual", &DenoiserSpec::n_layer_dual},
                                                                        {"n_layer_refine", &DenoiserSpec::n_layer_refine},
                                                                        {"n_embd", &DenoiserSpec::n_embd},
                                                                        {"n_head", &DenoiserSpec::n_head},
                                                                        {"n_ff", &DenoiserSpec::n_ff},
                                                                        {"n_embd_text", &DenoiserSpec::n_embd_text},
                                                                        {"n_text", &DenoiserSpec::n_text},
                                                                        {"n_expert", &DenoiserSpec::n_expert},
                                                                        {"n_expert_used", &DenoiserSpec::n_expert_used},
                                                                        {"n_ff_shared", &DenoiserSpec::n_ff_shared},
                                                                        {"n_embd_audio", &DenoiserSpec::n_embd_audio},
                                                                        {"n_head_audio", &DenoiserSpec::n_head_audio},
                                                                        {"gated_attn", &DenoiserSpec::gated_attn},
                                                                        {"cross_attn_mod", &DenoiserSpec::cross_attn_mod}}};

inline constexpr std::array<Field<SamplingSpec>, 3> k_sampling_fields{
    {{"steps", &SamplingSpec::steps}, {"passes", &SamplingSpec::passes}, {"frames", &SamplingSpec::frames}}};

inline constexpr std::array<Field<WhisperSpec>, 4> k_whisper_fields{{{"n_layer_enc", &WhisperSpec::n_layer_enc},
                                                                     {"n_layer_dec", &WhisperSpec::n_layer_dec},
                                                                     {"n_mels", &WhisperSpec::n_mels},
                                                                     {"n_audio_ctx", &WhisperSpec::n_audio_ctx}}};

}  // namespace canirun
