#include "canirun/formats/config_json.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "architectures.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"
#include "config_keys.hpp"
#include "config_parts.hpp"
#include "data_file.hpp"
#include "hf_classes.hpp"
#include "spec_check.hpp"

namespace canirun {

namespace {

/// The same for architectures that the catalogue has no model of: what their converters write (conversion/*.py).
void add_usual(ModelSpec& spec, std::string_view arch)
{
  const auto is = [&](std::initializer_list<std::string_view> names) { return std::ranges::find(names, arch) != names.end(); };
  if (is({"codeshell", "jais", "jais2"})) {
    spec.norm_bias = spec.ffn_bias = spec.attn.bias_qkv = spec.attn.bias_o = true;
    spec.ffn_gated = arch == "jais";
  }
  if (is({"hunyuan_vl", "mellum", "maple", "muse-glimmer"})) spec.attn.qk_norm = QkNorm::per_head;
  if (arch == "muse-glimmer") spec.attn.out_gate = OutGate::separate;
  if (arch == "spark2_5") spec.attn.out_gate = OutGate::per_head;
  if (arch == "qwen") spec.attn.bias_qkv = true;
}

/// What every model of an architecture has (norms, biases, gates) is in the catalogue already: the spec of a model of the same
/// architecture, with experts if this one has them, without what is its own.
ModelSpec prototype(std::string_view arch, bool moe)
{
  ModelSpec spec;
  if (const auto catalogue = Catalogue::builtin()) {
    const auto fits = [&](const CatalogueEntry& e) { return e.spec.arch == arch && e.spec.moe.has_value() == moe; };
    const auto found = std::ranges::find_if(catalogue->entries(), fits);
    if (found != catalogue->entries().end()) spec = found->spec;
    else add_usual(spec, arch);
  }
  spec.id.clear();
  spec.name.clear();
  spec.arch = arch;
  spec.n_params = spec.n_params_active = spec.n_params_mmproj = spec.n_params_mtp = 0;
  spec.n_layer_nextn = spec.n_layer_kv_shared = spec.n_pos_emb = spec.n_rot = spec.n_rot_swa = 0;
  spec.head_dim_k_swa = spec.head_dim_v_swa = 0;
  spec.recurrent_layers.clear();
  spec.cross_attn_layers.clear();
  spec.swa.reset();
  spec.mla.reset();
  spec.dsv4.reset();
  spec.sparse.reset();
  spec.native_type.reset();
  spec.rope_freqs = false;
  return spec;
}

bool has_experts(const ConfigKeys& in)
{
  const auto* n = in.find({"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"});
  return (n && n->whole > 1) || in.find_in("ffn_config", {"moe_num_experts"});
}

/// The architecture: by class, then by the model type for the few that share one class.
std::string architecture(const ConfigKeys& in)
{
  std::string arch;
  for (const auto name : in.strings({"architectures"})) {
    if (arch.empty()) arch = arch_of_hf_class(name);
  }
  if (arch == "nemotron_h" && has_experts(in)) return "nemotron_h_moe";
  if (in.string({"model_type"}) == "ministral3" || (arch == "llama" && in.find_in("rope_parameters", {"llama_4_scaling_beta"})))
    return "mistral3";
  return arch;
}

void read_heads(ConfigKeys& in, ModelSpec& spec)
{
  const auto heads = in.u32({"num_attention_heads", "n_head", "n_heads", "num_heads"});
  spec.n_head = heads;
  auto kv = in.u32({"num_key_value_heads", "multi_query_group_num", "num_kv_heads", "n_head_kv", "num_query_groups"},
                   in.u32_in("attn_config", {"kv_n_heads"}, heads));
  if (!in.find({"num_key_value_heads", "num_kv_heads", "n_head_kv"}) && in.boolean({"multi_query"}, false) &&
      !in.boolean({"new_decoder_architecture"}, false))
    kv = 1;
  if (const auto shared = in.u32({"n_shared_head"})) kv = heads / shared;  // PLaMo: query heads of one key head
  spec.n_head_kv = kv;
  auto width = in.u32({"head_dim", "attention_head_dim", "kv_channels", "d_kv"});
  if (width == 0 && heads > 0) {
    if (spec.n_embd % heads) {
      in.wrong(*in.find({"num_attention_heads", "n_head", "n_heads", "num_heads"}),
               fmt::format("does not divide the width {}, and 'head_dim' is missing", spec.n_embd));
    }
    width = spec.n_embd / heads;
  }
  spec.head_dim_k = width;
  spec.head_dim_v = in.u32({"v_head_dim"}, width);
  if (const auto global = in.u32({"global_head_dim"}); global && spec.arch == "gemma4") {
    spec.head_dim_k_swa = spec.head_dim_v_swa = width;
    spec.head_dim_k = spec.head_dim_v = global;
  }
  auto part = in.real({"partial_rotary_factor", "rotary_pct", "rope_pct"}, 1.0);
  if (const auto* inner = in.find_in("rope_parameters", {"partial_rotary_factor"}); inner && inner->real > 0) part = inner->real;
  if (part > 0 && part < 1 && spec.arch != "gemma4") spec.n_rot = static_cast<std::uint32_t>(spec.head_dim_k * part);
  if (const auto rotary = in.u32({"rotary_dim"})) spec.n_rot = rotary;
}

void read_ff(ConfigKeys& in, ModelSpec& spec)
{
  const auto* node = in.find({"intermediate_size", "n_inner", "hidden_dim", "ffn_hidden_size", "ffn_dim", "block_ff_dim", "d_ff"});
  if (node && node->kind == JsonKind::array) {
    auto each = in.list({node->key});
    if (each.size() != spec.n_layer)
      return in.wrong(*node, fmt::format("has {} numbers for {} layers", each.size(), spec.n_layer));
    spec.n_ff = std::move(each);
    return;
  }
  auto width = node ? in.u32({node->key}) : in.u32_in("ffn_config", {"ffn_hidden_size"}, 4 * spec.n_embd);
  if (spec.arch == "refact") width = (2 * width / 3 + 255) / 256 * 256;  // conversion/refact.py
  if (spec.arch == "lfm2" && in.boolean({"block_auto_adjust_ff_dim"}, false)) {
    // conversion/lfm2.py: two thirds, times a factor, up to the next multiple.
    width = static_cast<std::uint32_t>(2.0 * width / 3);
    width = static_cast<std::uint32_t>(in.real({"block_ffn_dim_multiplier"}, 1.0) * width);
    const auto unit = std::max(1U, in.u32({"block_multiple_of"}, 1));
    width = (width + unit - 1) / unit * unit;
  }
  spec.n_ff = width;
}

void read_flags(ConfigKeys& in, ModelSpec& spec)
{
  spec.tied_embeddings = in.boolean({"tie_word_embeddings", "tie_embeddings"}, spec.tied_embeddings);
  if (in.find({"attention_bias", "qkv_bias", "add_qkv_bias"})) {
    spec.attn.bias_qkv = in.boolean({"attention_bias", "qkv_bias", "add_qkv_bias"}, false);
    if (spec.arch == "llama") spec.attn.bias_o = spec.attn.bias_qkv;
  }
  if (in.find({"use_qk_norm"}) && spec.arch == "glm4moe")
    spec.attn.qk_norm = in.boolean({"use_qk_norm"}, false) ? QkNorm::per_head : QkNorm::none;
  const auto* scaling = in.find_in("rope_scaling", {"rope_type", "type"});
  if (!scaling) scaling = in.find_in("rope_parameters", {"rope_type", "type"});
  spec.rope_freqs = spec.arch == "gemma4" ||
                    (scaling && (scaling->string == "llama3" || scaling->string == "longrope" || scaling->string == "su"));
  spec.n_layer_kv_shared = in.u32({"num_kv_shared_layers"});
  if (spec.arch == "t5") spec.n_layer_dec = in.u32({"num_decoder_layers"}, spec.n_layer);
  if (spec.arch == "t5" || spec.arch == "t5encoder") {
    spec.n_rel_attn_buckets = in.u32({"relative_attention_num_buckets"}, 32);
    spec.ffn_gated = in.string({"feed_forward_proj"}).starts_with("gated");
  }
  if (spec.arch == "bert" && in.has_class("ForSequenceClassification")) spec.n_cls_out = std::max(1U, in.count({"id2label"}));
  if (spec.arch == "bert" || spec.arch == "gpt2" || spec.arch == "starcoder") {
    // RoBERTa's table has two rows more than positions; the converter drops them.
    spec.n_pos_emb = spec.n_ctx_train;
    spec.n_token_types = in.u32({"type_vocab_size"}, spec.n_token_types);
  }
  if (const auto width = in.u32({"hidden_size_per_layer_input"})) {
    spec.per_layer_embd = PerLayerEmbedding{width, in.u32({"vocab_size_per_layer_input"}, spec.n_vocab)};
  }
}

/// Which tensors the weights beside the config have: a fact where the config only implies it.
void read_index(const std::filesystem::path& file, ModelSpec& spec)
{
  const auto text = read_text(file);
  if (!text) return;
  const auto document = JsonDocument::parse(*text, file.string());
  if (!document || document->root().kind != JsonKind::object) return;
  const auto* map = document->find(document->root(), "weight_map");
  if (!map || map->kind != JsonKind::object) return;
  bool head = false;
  for (const auto* name = document->first(*map); name; name = document->next(*name)) {
    if (name->key.ends_with("lm_head.weight") || name->key == "output.weight") head = true;
  }
  // A tied head may be stored all the same; only its absence tells.
  if (!head) spec.tied_embeddings = true;
}

Result<ModelSpec> spec_of(const JsonDocument& document, const std::filesystem::path& folder)
{
  ConfigKeys in(document);
  const auto arch = architecture(in);
  if (arch.empty()) {
    const auto names = in.strings({"architectures"});
    return fail(ErrorKind::parse,
                names.empty()
                    ? fmt::format("{}: field 'architectures' is missing: this is not a model's config.json", document.file())
                    : fmt::format("{}: '{}' has no counterpart in llama.cpp that canirun knows", document.file(), names[0]));
  }
  auto spec = prototype(arch, has_experts(in));
  spec.n_layer = in.required({"num_hidden_layers", "n_layers", "n_layer", "num_layers"});
  spec.n_embd = in.required({"hidden_size", "n_embd", "d_model", "dim"});
  spec.n_vocab = in.required({"vocab_size", "padded_vocab_size"});
  spec.n_ctx_train = in.u32({"max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length", "model_max_length"});
  const auto* recurrent = recurrent_arch(arch);
  const bool no_attention = recurrent && recurrent->rule == RecurrentRule::all && arch != "falcon-h1";
  if (no_attention) spec.n_ctx_train = 1048576;  // conversion/mamba.py, rwkv.py
  if (spec.n_ctx_train == 0 && arch.starts_with("t5")) spec.n_ctx_train = 512;  // conversion/t5.py
  if (spec.n_ctx_train == 0) in.required({"max_position_embeddings"});
  if (arch == "bert" && in.string({"model_type"}).find("roberta") != std::string_view::npos && spec.n_ctx_train > 2)
    spec.n_ctx_train -= 2;
  if (spec.n_layer > k_max_layers)
    in.wrong(*in.find({"num_hidden_layers", "n_layers", "n_layer", "num_layers"}), "is more than llama.cpp can run");
  if (in.problem()) return fail(ErrorKind::parse, *in.problem());

  if (no_attention) {
    spec.n_head = spec.n_head_kv = 0;
    spec.head_dim_k = spec.head_dim_v = 0;
  } else {
    read_heads(in, spec);
  }
  read_ff(in, spec);
  if (recurrent && recurrent->kind == SsmKind::mamba1 && arch == "mamba") spec.n_ff = 0;
  if (arch == "mamba2") spec.n_ff = 0;
  read_flags(in, spec);
  read_config_recurrent(in, spec);
  read_config_moe(in, spec);
  read_config_swa(in, spec);
  read_config_mla(in, spec);
  if (in.problem()) return fail(ErrorKind::parse, *in.problem());
  read_index(folder / "model.safetensors.index.json", spec);
  complete(spec);
  if (const auto problem = invalid(spec)) return fail(ErrorKind::parse, fmt::format("{}: {}", document.file(), *problem));
  if (!unplannable(spec)) spec.n_params = tensor_plan(spec, FileType::F16).n_params();
  return spec;
}

}  // namespace

Result<ModelSpec> read_config_json(const std::filesystem::path& path)
{
  std::error_code ignored;
  const auto file = std::filesystem::is_directory(path, ignored) ? path / "config.json" : path;
  const auto text = read_text(file);
  if (!text) return tl::unexpected(text.error());
  const auto document = JsonDocument::parse(*text, file.string());
  if (!document) return tl::unexpected(document.error());
  if (document->root().kind != JsonKind::object)
    return fail(ErrorKind::parse, fmt::format("{}: an object is expected", file.string()));
  auto spec = spec_of(*document, file.parent_path());
  if (!spec) return spec;
  const auto absolute = std::filesystem::absolute(file, ignored);
  spec->id = absolute.parent_path().filename().string();
  if (spec->id.empty()) spec->id = "model";
  spec->name = spec->id;
  return spec;
}

}  // namespace canirun
