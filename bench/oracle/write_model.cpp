#include "write_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace canirun {

namespace {

/// Value types of GGUF metadata (docs/gguf.md of ggml).
enum class Value : std::uint32_t { u32 = 4, f32 = 6, boolean = 7, string = 8, array = 9 };

constexpr std::uint64_t k_alignment = 32;

/// The metadata of a file, as bytes.
class Metadata {
 public:
  explicit Metadata(std::string arch) : arch_(std::move(arch)) {}

  void text(std::string_view key, std::string_view value)
  {
    begin(key, Value::string);
    put(value);
  }
  /// A hyper-parameter: the architecture's name comes before the key.
  void number(std::string_view key, std::uint32_t value)
  {
    begin(fmt::format("{}.{}", arch_, key), Value::u32);
    put(value);
  }
  void real(std::string_view key, float value)
  {
    begin(fmt::format("{}.{}", arch_, key), Value::f32);
    put(value);
  }
  void plain_number(std::string_view key, std::uint32_t value)
  {
    begin(key, Value::u32);
    put(value);
  }
  void plain_real(std::string_view key, float value)
  {
    begin(key, Value::f32);
    put(value);
  }
  void flag(std::string_view key, bool value)
  {
    begin(fmt::format("{}.{}", arch_, key), Value::boolean);
    put(static_cast<std::uint8_t>(value));
  }
  void numbers(std::string_view key, const std::vector<std::uint32_t>& values)
  {
    begin(fmt::format("{}.{}", arch_, key), Value::array);
    put(static_cast<std::uint32_t>(Value::u32));
    put(static_cast<std::uint64_t>(values.size()));
    for (const auto v : values) put(v);
  }
  void flags(std::string_view key, const std::vector<bool>& values)
  {
    begin(fmt::format("{}.{}", arch_, key), Value::array);
    put(static_cast<std::uint32_t>(Value::boolean));
    put(static_cast<std::uint64_t>(values.size()));
    for (const bool v : values) put(static_cast<std::uint8_t>(v));
  }
  /// One number where all layers agree, an array where they differ.
  void per_layer(std::string_view key, const PerLayer<std::uint32_t>& values, std::uint32_t n_layer)
  {
    if (!values.varies()) return number(key, values(0));
    std::vector<std::uint32_t> each;
    for (std::uint32_t il = 0; il < n_layer; ++il) each.push_back(values(il));
    numbers(key, each);
  }

  template <typename T>
  void put(T value)
  {
    const auto at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  void put(std::string_view text)
  {
    put(static_cast<std::uint64_t>(text.size()));
    bytes_.append(text);
  }
  void put(const std::string& text) { put(std::string_view(text)); }

  std::uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::string_view key, Value type)
  {
    put(key);
    put(static_cast<std::uint32_t>(type));
    ++count_;
  }

  std::string arch_;
  std::string bytes_;
  std::uint64_t count_ = 0;
};

void write_attention(Metadata& meta, const ModelSpec& m)
{
  const auto n_layer_all = m.n_layer + m.n_layer_nextn;
  meta.per_layer("attention.head_count", m.n_head, n_layer_all);
  if (!m.is_mla()) meta.per_layer("attention.head_count_kv", m.n_head_kv, n_layer_all);
  // step35.cpp halves the key for its full layers.
  if (m.n_rot > 0) meta.number("rope.dimension_count", m.arch == "step35" ? 2 * m.n_rot : m.n_rot);
  if (m.mla) {
    // llama.cpp keeps latent attention as multi-query attention over the latent (conversion: DeepseekV2Model).
    const auto& mla = *m.mla;
    if (mla.q_lora_rank > 0) meta.number("attention.q_lora_rank", mla.q_lora_rank);
    meta.number("attention.kv_lora_rank", mla.kv_lora_rank);
    if (m.is_mla()) {
      meta.per_layer("attention.head_count_kv", m.n_head_kv, n_layer_all);
      meta.number("attention.key_length_mla", mla.qk_nope_head_dim + mla.qk_rope_head_dim);
      meta.number("attention.value_length_mla", mla.v_head_dim);
    }
    if (m.n_rot == 0) meta.number("rope.dimension_count", mla.qk_rope_head_dim);
    if (mla.indexer_n_head > 0) {
      meta.number("attention.indexer.head_count", mla.indexer_n_head);
      meta.number("attention.indexer.key_length", mla.indexer_head_dim);
      meta.number("attention.indexer.top_k", mla.indexer_top_k);
      if (!mla.indexer_layers.empty()) {
        std::vector<std::uint32_t> full(m.n_layer, 0);
        for (const auto il : mla.indexer_layers) full[il] = 1;
        meta.numbers("attention.indexer.types", full);
      }
    }
  }
  if (m.sparse) {
    meta.number("attention.indexer.head_count", m.sparse->n_index_head);
    meta.number("attention.indexer.key_length", m.sparse->index_dim);
    meta.number("attention.indexer.top_k", m.sparse->topk_blocks);
    meta.number("attention.indexer.block_size", m.sparse->block_size);
    meta.number("attention.indexer.local_blocks", 1);
  }
  if (m.head_dim_k > 0) meta.number("attention.key_length", m.head_dim_k);
  if (m.head_dim_v > 0) meta.number("attention.value_length", m.head_dim_v);
  if (m.arch == "dbrx") meta.real("attention.clamp_kqv", 8.0F);  // required there
  if (m.head_dim_k_swa > 0) meta.number("attention.key_length_swa", m.head_dim_k_swa);
  if (m.head_dim_v_swa > 0) meta.number("attention.value_length_swa", m.head_dim_v_swa);
  if (m.swa && m.swa->window > 0) {
    meta.number("attention.sliding_window", m.swa->window);
    if (!m.swa->local.empty()) meta.flags("attention.sliding_window_pattern", m.swa->local);
  }
  if (m.n_layer_kv_shared > 0) meta.number("attention.shared_kv_layers", m.n_layer_kv_shared);
  if (!m.causal) meta.flag("attention.causal", false);
}

void write_experts(Metadata& meta, const ModelSpec& m)
{
  const auto& moe = *m.moe;
  meta.number("expert_count", moe.n_expert);
  meta.number("expert_used_count", moe.n_expert_used);
  if (moe.n_ff_expert > 0) meta.number("expert_feed_forward_length", moe.n_ff_expert);
  if (moe.n_ff_shared > 0) meta.number("expert_shared_feed_forward_length", moe.n_ff_shared);
  meta.number("expert_shared_count", moe.n_expert_shared);
  meta.number("leading_dense_block_count", moe.n_layer_dense_lead);
  // The square root of softplus in DeepSeek-V4; else sigmoid where there is a selection bias, softmax where not.
  meta.number("expert_gating_func", m.dsv4 ? 4 : moe.router_bias || m.arch == "cohere2moe" ? 2 : 1);
  constexpr std::string_view normed[] = {"mistral4", "cohere2moe"};
  constexpr std::string_view scaled[] = {"exaone-moe",  "afmoe",   "hy_v3",       "step35",     "nemotron_h_moe",
                                         "kimi-linear", "kimi-k3", "bailingmoe3", "minimax-m3", "laguna"};
  meta.real("expert_weights_scale", std::ranges::find(scaled, m.arch) != std::end(scaled) ? 2.5F : 1.0F);
  meta.flag("expert_weights_norm", moe.router_bias || m.dsv4 || std::ranges::find(normed, m.arch) != std::end(normed));
  meta.number("interleave_moe_layer_step", moe.dense_layers.empty() ? 1 : 2);  // Llama 4 Maverick, ERNIE 4.5
  if (moe.expert_latent > 0) {
    meta.number("moe_latent_size", moe.expert_latent);
    meta.number("expert_latent_length", moe.expert_latent);
  }
}

void write_deepseek4(Metadata& meta, const ModelSpec& m)
{
  const auto& ds = *m.dsv4;
  meta.number("attention.output_group_count", ds.o_groups);
  meta.number("attention.output_lora_rank", ds.o_lora_rank);
  meta.real("attention.compress_rope_freq_base", 10000.0F);
  meta.numbers("attention.compress_ratios", ds.compress_ratios);
  meta.number("hyper_connection.count", ds.hc_mult);
  meta.number("hyper_connection.sinkhorn_iterations", 20);
  meta.real("hyper_connection.epsilon", 1e-6F);
  meta.number("hash_layer_count", ds.num_hash_layers);
  meta.real("swiglu_clamp_exp", 10.0F);
}

void write_state(Metadata& meta, const ModelSpec& m)
{
  const auto& ssm = *m.ssm;
  if (ssm.kind == SsmKind::shortconv) {
    meta.number("shortconv.l_cache", ssm.d_conv);
  } else if (ssm.kind == SsmKind::rwkv6 || ssm.kind == SsmKind::rwkv7) {
    meta.number("wkv.head_size", ssm.head_dim);
    meta.number("attention.decay_lora_rank", ssm.n_lora_decay);
    meta.number("attention.iclr_lora_rank", ssm.n_lora_iclr);
    meta.number("attention.value_residual_mix_lora_rank", ssm.n_lora_value);
    meta.number("attention.gate_lora_rank", ssm.n_lora_gate);
    meta.number("time_mix_extra_dim", ssm.time_mix_extra);
    meta.number("time_decay_extra_dim", ssm.time_decay_extra);
    meta.number("token_shift_count", m.arch == "rwkv6qwen2" || m.arch == "arwkv7" ? 1 : 2);
  } else {
    meta.number("ssm.conv_kernel", ssm.d_conv);
    meta.number("ssm.inner_size", ssm.d_inner);
    meta.number("ssm.state_size", ssm.d_state);
    meta.number("ssm.time_step_rank", ssm.dt_rank);
    meta.number("ssm.group_count", ssm.n_group);
    meta.flag("ssm.dt_b_c_rms", ssm.dt_b_c_norm);
    if (ssm.kind == SsmKind::kda) meta.number("kda.head_dim", ssm.head_dim);
    if (m.arch == "kimi-k3" || m.arch == "bailingmoe3") meta.real("kda.gate_lower_bound", -5.0F);
  }
  std::vector<bool> recurrent(m.n_layer, false);
  for (const auto il : m.recurrent_layers) {
    if (il < recurrent.size()) recurrent[il] = true;
  }
  meta.flags("attention.recurrent_layers", recurrent);
}

/// Keys that decide about operations, with values of the kind that published files have.
void write_family(Metadata& meta, const ModelSpec& m)
{
  const auto is = [&](std::initializer_list<std::string_view> names) { return std::ranges::find(names, m.arch) != names.end(); };
  if (is({"granite", "granitemoe", "granitehybrid", "granite_swa", "minicpm"})) {
    meta.real("residual_scale", 0.22F);
    meta.real("embedding_scale", 12.0F);
    meta.real("attention.scale", 0.0156F);
  }
  if (is({"granitehybrid"})) meta.flag("rope.scaling.finetuned", false);
  if (is({"mistral3"})) meta.real("attention.temperature_scale", 0.1F);
  if (is({"mimo2"})) meta.real("attention.value_scale", 0.7F);
  if (is({"qwen2vl", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "paddleocr", "hunyuan_vl"}))
    meta.numbers("rope.dimension_sections", {16, 24, 24, 0});
  if (m.n_deepstack_layers > 0) meta.number("n_deepstack_layers", m.n_deepstack_layers);
  if (is({"maple"})) meta.real("swiglu_clamp_exp", 7.0F);
  if (is({"muse-glimmer"})) meta.real("final_logit_softcapping", 30.0F);
  if (is({"minimax-01"})) meta.real("residual_scale", 3.5F);
  if (m.moe && m.moe->n_group_experts > 0) {
    meta.number("experts_per_group", m.moe->n_group_experts);
    meta.number("expert_chunk_feed_forward_length", m.moe->n_ff_chunk);
    meta.real("expert_group_scale", 0.05F);
  }
  if (is({"apertus"})) {
    for (const auto* key : {"xielu.alpha_n", "xielu.alpha_p", "xielu.beta", "xielu.eps"}) meta.plain_real(key, 0.5F);
  }
}

}  // namespace

void write_model(const ModelSpec& m, const TensorPlan& plan, const std::filesystem::path& file)
{
  Metadata meta(m.arch);
  meta.text("general.architecture", m.arch);
  meta.text("general.name", m.id);
  meta.text("tokenizer.ggml.model", "no_vocab");
  const auto n_layer_all = m.n_layer + m.n_layer_nextn;
  meta.number("block_count", n_layer_all);
  if (m.swin_norm) meta.flag("swin_norm", true);
  if (m.attn_res_block_size > 0) {
    meta.number("attn_res.block_size", m.attn_res_block_size);
    meta.real("activation.situ_beta", 4.0F);
    meta.real("activation.situ_linear_beta", 4.0F);
  }
  if (m.n_layer_nextn > 0) meta.number("nextn_predict_layers", m.n_layer_nextn);
  meta.number("context_length", m.n_ctx_train);
  meta.number("embedding_length", m.n_embd);
  meta.number("vocab_size", m.n_vocab);
  meta.per_layer("feed_forward_length", m.n_ff, n_layer_all);
  meta.real("attention.layer_norm_epsilon", 1e-5F);
  if (m.arch != "cohere2moe") meta.real("attention.layer_norm_rms_epsilon", 1e-5F);  // it would mean RMS norms there
  meta.real("rope.freq_base", 10000.0F);
  meta.real("logit_scale", 1.0F);
  write_attention(meta, m);
  write_family(meta, m);
  if (m.moe) write_experts(meta, m);
  if (m.dsv4) write_deepseek4(meta, m);
  if (m.ssm) write_state(meta, m);
  if (m.per_layer_embd || m.arch == "gemma4") {
    meta.number("embedding_length_per_layer_input", m.per_layer_embd ? m.per_layer_embd->n_embd : 0);
  }
  if (m.n_rel_attn_buckets > 0) meta.number("attention.relative_buckets_count", m.n_rel_attn_buckets);
  if (m.n_layer_dec > 0) meta.number("decoder_block_count", m.n_layer_dec);
  if (m.n_token_types > 0) meta.plain_number("tokenizer.ggml.token_type_count", m.n_token_types);
  if (m.kind == ModelKind::embedding) meta.number("pooling_type", static_cast<std::uint32_t>(m.pooling));
  if (m.arch == "nomic-bert-moe") meta.number("moe_every_n_layers", 2);
  if (m.parallel_residual) meta.flag("use_parallel_residual", true);

  // The tensor table: name, shape, type, offset from the start of the data.
  std::string table;
  Metadata tensors(m.arch);
  std::uint64_t offset = 0;
  for (const auto& t : plan.tensors) {
    tensors.put(std::string_view(plan.name(t)));
    std::uint32_t n_dims = 4;
    while (n_dims > 1 && t.ne[n_dims - 1] == 1) --n_dims;
    tensors.put(n_dims);
    for (std::uint32_t i = 0; i < n_dims; ++i) tensors.put(t.ne[i]);
    tensors.put(static_cast<std::uint32_t>(t.type));
    tensors.put(offset);
    offset = pad_to(offset + t.bytes().count, k_alignment);
  }

  Metadata head(m.arch);
  head.put(static_cast<std::uint32_t>(0x46554747));  // "GGUF"
  head.put(static_cast<std::uint32_t>(3));
  head.put(static_cast<std::uint64_t>(plan.tensors.size()));
  head.put(meta.count());
  const auto size = head.bytes().size() + meta.bytes().size() + tensors.bytes().size();
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << head.bytes() << meta.bytes() << tensors.bytes() << std::string(pad_to(size, k_alignment) - size, '\0');
  out.close();
  std::filesystem::resize_file(file, pad_to(size, k_alignment) + offset);
}

}  // namespace canirun
