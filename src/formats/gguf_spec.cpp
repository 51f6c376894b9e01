#include "gguf_spec.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "architectures.hpp"
#include "gguf_keys.hpp"
#include "gguf_tensors.hpp"
#include "spec_check.hpp"

namespace canirun {

namespace {

/// Counts, heads and widths (llama-model.cpp: llama_model_base::load_hparams).
void read_shape(GgufKeys& keys, const GgufHeader& header, bool known, ModelSpec& spec)
{
  const auto need = [&](std::string_view name) { return known ? keys.required(name) : keys.u32(name); };
  spec.n_ctx_train = need("context_length");
  spec.n_embd = need("embedding_length");
  const auto n_all = need("block_count");
  if (n_all > k_max_layers) {
    keys.wrong("block_count", *keys.find("block_count"), fmt::format("has the impossible value {}", n_all));
    return;
  }
  spec.n_layer_nextn = keys.u32("nextn_predict_layers");
  if (spec.n_layer_nextn >= n_all && n_all > 0) {
    keys.wrong("nextn_predict_layers", *keys.find("nextn_predict_layers"), fmt::format("leaves none of {} layers", n_all));
    return;
  }
  if (spec.n_layer_nextn && spec.arch == "deepseek4") {
    // deepseek4.cpp: the key alone does not mean that the blocks are in the file.
    const auto probe = fmt::format("blk.{}.nextn.eh_proj.weight", n_all - spec.n_layer_nextn);
    if (std::ranges::find(header.tensors, probe, &FileTensor::name) == header.tensors.end()) spec.n_layer_nextn = 0;
  }
  spec.n_layer = n_all - spec.n_layer_nextn;
  spec.n_head = keys.per_layer("attention.head_count", n_all, spec.n_layer);
  spec.n_head_kv = keys.per_layer("attention.head_count_kv", n_all, spec.n_layer, spec.n_head);
  spec.n_ff = keys.per_layer("feed_forward_length", n_all, spec.n_layer);
  if (const auto heads = spec.n_head(0)) {
    spec.head_dim_k = keys.u32("attention.key_length", spec.n_embd / heads);
    spec.head_dim_v = keys.u32("attention.value_length", spec.n_embd / heads);
  } else {
    spec.head_dim_k = keys.u32("attention.key_length");
    spec.head_dim_v = keys.u32("attention.value_length");
  }
  if (spec.arch == "kimi-k3") spec.head_dim_v = keys.u32("attention.kv_lora_rank");
  spec.head_dim_k_swa = keys.u32("attention.key_length_swa", spec.head_dim_k);
  spec.head_dim_v_swa = keys.u32("attention.value_length_swa", spec.head_dim_v);
  spec.n_rot = keys.u32("rope.dimension_count", spec.head_dim_k);
  spec.n_rot_swa = keys.u32("rope.dimension_count_swa", spec.n_rot);
  if (spec.arch == "step35") spec.n_rot /= 2;  // step35.cpp halves the full layers' rotation
}

/// The vocabulary: a key, else the tokeniser's list, else the embedding's rows.
std::uint32_t vocabulary(GgufKeys& keys, const GgufHeader& header)
{
  if (const auto n = keys.u32("vocab_size")) return n;
  if (const auto* tokens = header.find("tokenizer.ggml.tokens"); tokens && tokens->is_array && tokens->length <= UINT32_MAX) {
    return static_cast<std::uint32_t>(tokens->length);
  }
  for (const auto& t : header.tensors) {
    if (t.name == "token_embd.weight" && t.shape.size() == 2 && t.shape[1] <= UINT32_MAX)
      return static_cast<std::uint32_t>(t.shape[1]);
  }
  return 0;
}

void read_swa(GgufKeys& keys, ModelSpec& spec)
{
  const auto* rule = swa_rule(spec.arch);
  if (!rule || (spec.arch == "exaone4" && spec.n_layer != 64)) return;
  const auto* key = keys.find("attention.sliding_window");
  SwaSpec swa;
  swa.window = key ? keys.u32("attention.sliding_window") : rule->default_window;
  if (swa.window == 0) return;
  if (rule->fixed_window) swa.window = rule->fixed_window;
  swa.chunked = rule->chunked;

  const auto list = keys.list("attention.sliding_window_pattern");
  if (!list.empty()) {
    // A list may also cover MTP blocks; a shorter one leaves the rest global.
    swa.local.assign(spec.n_layer, false);
    for (std::size_t il = 0; il < std::min<std::size_t>(list.size(), spec.n_layer); ++il) swa.local[il] = list[il] != 0;
  } else if (spec.arch == "lfm2") {
    swa.local.assign(spec.n_layer, false);
    for (std::uint32_t il = 0; il < spec.n_layer; ++il) swa.local[il] = spec.n_head_kv(il) != 0;
  } else {
    swa.local = swa_pattern(spec.n_layer, keys.u32("attention.sliding_window_pattern", rule->pattern), rule->dense_first);
  }
  spec.swa = std::move(swa);
}

void read_recurrent(GgufKeys& keys, ModelSpec& spec)
{
  const auto* arch = recurrent_arch(spec.arch);
  if (!arch) return;
  const auto list = keys.list("attention.recurrent_layers");
  const auto interval = keys.u32("full_attention_interval", arch->interval);
  for (std::uint32_t il = 0; il < spec.n_layer; ++il) {
    bool recurrent = false;
    switch (arch->rule) {
      case RecurrentRule::none: break;
      case RecurrentRule::all: recurrent = true; break;
      case RecurrentRule::no_kv_heads: recurrent = spec.n_head_kv(il) == 0; break;
      case RecurrentRule::no_kv_heads_no_ff: recurrent = spec.n_head_kv(il) == 0 && spec.n_ff(il) == 0; break;
      case RecurrentRule::interval:
        recurrent = il < list.size() ? list[il] != 0 : interval > 0 && (il + 1) % interval != 0;
        break;
    }
    if (recurrent) spec.recurrent_layers.push_back(il);
  }
  SsmSpec ssm;
  ssm.kind = arch->kind;
  ssm.d_conv = arch->kind == SsmKind::shortconv ? keys.u32("shortconv.l_cache") : keys.u32("ssm.conv_kernel");
  ssm.d_inner = keys.u32("ssm.inner_size");
  ssm.d_state = keys.u32("ssm.state_size");
  ssm.dt_rank = keys.u32("ssm.time_step_rank");
  ssm.n_group = keys.u32("ssm.group_count");
  ssm.dt_b_c_norm = keys.boolean("ssm.dt_b_c_rms");
  ssm.head_dim = arch->kind == SsmKind::lightning ? spec.head_dim_k : keys.u32("kda.head_dim", keys.u32("wkv.head_size"));
  ssm.n_lora_decay = keys.u32("attention.decay_lora_rank");
  ssm.n_lora_iclr = keys.u32("attention.iclr_lora_rank");
  ssm.n_lora_value = keys.u32("attention.value_residual_mix_lora_rank");
  ssm.n_lora_gate = keys.u32("attention.gate_lora_rank");
  ssm.time_mix_extra = keys.u32("time_mix_extra_dim");
  ssm.time_decay_extra = keys.u32("time_decay_extra_dim");
  ssm.token_shift_count = keys.u32("token_shift_count", 2);
  spec.ssm = ssm;
}

void read_moe(GgufKeys& keys, ModelSpec& spec)
{
  const auto n_expert = keys.u32("expert_count");
  const bool single = n_expert <= 1 && (spec.arch == "hunyuan-dense" || spec.arch == "hunyuan_vl");
  if (n_expert == 0 || single) return;
  const auto n_all = spec.n_layer + spec.n_layer_nextn;
  const auto used = keys.per_layer("expert_used_count", n_all, spec.n_layer);
  const auto widths = keys.per_layer("expert_feed_forward_length", n_all, spec.n_layer);
  MoeSpec moe;
  moe.n_expert = n_expert;
  for (std::uint32_t il = 0; il < spec.n_layer; ++il) {
    moe.n_expert_used = std::max(moe.n_expert_used, used(il));
    moe.n_ff_expert = std::max(moe.n_ff_expert, widths(il));
  }
  moe.n_expert_shared = keys.u32("expert_shared_count");
  moe.n_ff_shared = keys.u32("expert_shared_feed_forward_length", moe.n_ff_expert * moe.n_expert_shared);
  moe.n_ff_chunk = keys.u32("expert_chunk_feed_forward_length");
  moe.n_group_experts = keys.u32("experts_per_group");
  moe.n_layer_dense_lead = keys.u32("leading_dense_block_count");
  moe.expert_latent = keys.u32("moe_latent_size", keys.u32("expert_latent_length"));
  spec.moe = std::move(moe);
}

/// Latent attention: any architecture with a kv_lora_rank, and deepseek4 with its low-rank queries.
void read_mla(GgufKeys& keys, ModelSpec& spec)
{
  MlaSpec mla;
  mla.kv_lora_rank = keys.u32("attention.kv_lora_rank");
  mla.q_lora_rank = keys.u32("attention.q_lora_rank");
  mla.indexer_n_head = keys.u32("attention.indexer.head_count");
  mla.indexer_head_dim = keys.u32("attention.indexer.key_length");
  mla.indexer_top_k = keys.u32("attention.indexer.top_k");
  if (spec.arch == "minimax-m3") {
    spec.sparse = SparseAttentionSpec{.n_index_head = mla.indexer_n_head,
                                      .index_dim = mla.indexer_head_dim,
                                      .block_size = keys.u32("attention.indexer.block_size"),
                                      .topk_blocks = mla.indexer_top_k,
                                      .first_layer = keys.u32("leading_dense_block_count")};
    return;
  }
  if (mla.kv_lora_rank == 0 && mla.q_lora_rank == 0) return;
  const auto key_length = keys.u32("attention.key_length_mla", spec.head_dim_k);
  mla.qk_rope_head_dim = spec.n_rot;
  mla.qk_nope_head_dim = mla.kv_lora_rank && key_length > spec.n_rot ? key_length - spec.n_rot : 0;
  mla.v_head_dim = mla.kv_lora_rank ? keys.u32("attention.value_length_mla", spec.head_dim_v) : 0;

  const auto types = keys.list("attention.indexer.types");
  for (std::uint32_t il = 0; il < std::min<std::size_t>(types.size(), spec.n_layer); ++il) {
    if (types[il]) mla.indexer_layers.push_back(il);
  }
  spec.mla = std::move(mla);
}

void read_rare(GgufKeys& keys, ModelSpec& spec)
{
  if (const auto n = keys.u32("embedding_length_per_layer_input"); n && spec.arch != "qwen4exp")
    spec.per_layer_embd = PerLayerEmbedding{n, spec.n_vocab};
  if (spec.arch == "gemma3n" && spec.n_layer > 20)
    spec.n_layer_kv_shared = spec.n_layer - 20;  // gemma3n.cpp: n_layer_kv_from_start
  if (spec.arch == "gemma4") spec.n_layer_kv_shared = keys.u32("attention.shared_kv_layers");
  if (spec.arch == "deepseek4") {
    DeepSeek4Spec dsv4;
    dsv4.compress_ratios = keys.list("attention.compress_ratios");
    if (dsv4.compress_ratios.size() > spec.n_layer) dsv4.compress_ratios.resize(spec.n_layer);
    dsv4.hc_mult = keys.u32("hyper_connection.count");
    dsv4.o_groups = keys.u32("attention.output_group_count");
    dsv4.o_lora_rank = keys.u32("attention.output_lora_rank");
    dsv4.num_hash_layers = keys.u32("hash_layer_count");
    spec.dsv4 = std::move(dsv4);
  }
  spec.n_deepstack_layers = keys.u32("n_deepstack_layers");
  spec.attn_res_block_size = keys.u32("attn_res.block_size");
  spec.swin_norm = keys.boolean("swin_norm");
  spec.n_layer_dec = keys.u32("decoder_block_count");
  spec.n_rel_attn_buckets = keys.u32("attention.relative_buckets_count");
  spec.n_embd_out = keys.u32("embedding_length_out");
  spec.cross_attn_layers = keys.list("attention.cross_attention_layers");
  spec.parallel_residual = keys.boolean("use_parallel_residual", always_parallel_residual(spec.arch));
  spec.causal = !never_causal(spec.arch) && keys.boolean("attention.causal", true);
  if (const auto pooling = keys.u32("pooling_type"); pooling <= 4) spec.pooling = static_cast<Pooling>(pooling);
  if (spec.pooling == Pooling::rank) {
    const auto* labels = keys.find("classifier.output_labels");
    spec.n_cls_out = labels && labels->length <= UINT32_MAX ? static_cast<std::uint32_t>(labels->length) : 1;
  }
  if (is_embedding_arch(spec.arch) || spec.pooling != Pooling::none) spec.kind = ModelKind::embedding;
}

}  // namespace

Result<ModelSpec> spec_from_gguf(GgufHeader header, std::string_view file)
{
  const auto* arch = header.find("general.architecture");
  if (!arch || arch->kind != GgufValue::Kind::string || arch->is_array || arch->string.empty()) {
    return fail(ErrorKind::parse,
                fmt::format("{}: key 'general.architecture' is missing: the file does not say what model it is", file));
  }
  ModelSpec spec;
  spec.arch = arch->string;
  const auto* name = header.find("general.name");
  spec.name = name && name->kind == GgufValue::Kind::string && !name->is_array ? name->string : "";
  if (const auto* type = header.find("general.file_type"); type && type->whole.size() == 1) {
    for (const auto known : all_file_types()) {
      if (static_cast<std::int64_t>(known) == type->whole[0]) spec.file_type = known;
    }
  }

  const bool known = known_architecture(spec.arch);
  GgufKeys keys(header, spec.arch, file);
  read_shape(keys, header, known, spec);
  if (!keys.problem()) {
    spec.n_vocab = vocabulary(keys, header);
    read_recurrent(keys, spec);
    read_swa(keys, spec);
    read_moe(keys, spec);
    read_mla(keys, spec);
    read_rare(keys, spec);
  }
  if (keys.problem() && known) return fail(ErrorKind::parse, *keys.problem());

  spec.tensors = std::move(header.tensors);
  for (const auto& t : spec.tensors) {
    std::uint64_t elements = 1;
    for (const auto n : t.shape) elements *= n;
    spec.n_params += elements;
  }
  read_from_tensors(spec);
  if (!known) return spec;
  complete(spec);
  if (const auto problem = invalid(spec)) return fail(ErrorKind::parse, fmt::format("{}: {}", file, *problem));
  return spec;
}

}  // namespace canirun
