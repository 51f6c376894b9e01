#include "quantize.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <string_view>

#include "arch/tensor_name.hpp"

namespace canirun {

namespace {

bool contains(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

bool contains_any(std::string_view name, std::span<const std::string_view> parts)
{
  return std::ranges::any_of(parts, [name](std::string_view part) { return contains(name, part); });
}

/// The name by which llama-quantize knows a tensor: without its block, unless that is an encoder's or a decoder's.
std::string quantizer_name(const TensorRole& role, std::uint32_t layer)
{
  return role.before.empty() ? role.name : full_name(role, layer);
}

/// llama-quant.cpp: tensor_get_category.
Category category_of(std::string_view role)
{
  struct Row {
    std::string_view part;
    Category category;
  };
  static constexpr auto k_rows = std::to_array<Row>({
      {"attn_qkv.weight", Category::attn_v},
      {"attn_kv_b.weight", Category::attn_v},
      {"attn_v.weight", Category::attn_v},
      {"attn_k.weight", Category::attn_k},
      {"attn_q.weight", Category::attn_q},
      {"attn_output.weight", Category::attn_output},
      {"ffn_up", Category::ffn_up},
      {"ffn_gate", Category::ffn_gate},
      {"ffn_down", Category::ffn_down},
  });
  if (role == "output.weight") return Category::output;
  if (role == "token_embd.weight" || role == "per_layer_token_embd.weight") return Category::token_embd;
  const auto row = std::ranges::find_if(k_rows, [role](const Row& r) { return contains(role, r.part); });
  return row == k_rows.end() ? Category::other : row->category;
}

/// The same until March 2026, when the fused matrices became attn_v's like.
Category category_of_2025(std::string_view role)
{
  if (contains(role, "attn_qkv.weight")) return Category::attn_qkv;
  return contains(role, "attn_kv_b.weight") ? Category::other : category_of(role);
}

/// Names that llama-quantize leaves as they are in the source file (llama-quant.cpp: tensor_allows_quantization).
bool name_is_quantizable(std::string_view role)
{
  static constexpr auto k_kept = std::to_array<std::string_view>({
      "_norm.weight",
      "ffn_gate_inp.weight",
      "ffn_gate_tid2eid.weight",
      "altup",
      "laurel",
      "per_layer_model_proj",
      "ssm_conv1d",
      "shortconv.conv.weight",
      "indexer.k_proj.weight",
      "indexer.q_proj.weight",
      "time_mix_first.weight",
      "time_mix_w0.weight",
      "time_mix_w1.weight",
      "time_mix_w2.weight",
      "time_mix_v0.weight",
      "time_mix_v1.weight",
      "time_mix_v2.weight",
      "time_mix_a0.weight",
      "time_mix_a1.weight",
      "time_mix_a2.weight",
      "time_mix_g1.weight",
      "time_mix_g2.weight",
      "time_mix_decay_w1.weight",
      "time_mix_decay_w2.weight",
      "time_mix_lerp_fused.weight",
      "attn_rel_b.weight",
      ".position_embd",
      ".rel_pos",
      ".patch_embd",
      ".patch_merger",
  });
  return role.ends_with("weight") && role != "position_embd.weight" && role != "token_types.weight" &&
         !contains_any(role, k_kept);
}

/// Matrices that convert_hf_to_gguf.py keeps in F32 (conversion/base.py: prepare_tensors).
bool name_is_always_f32(std::string_view role)
{
  static constexpr auto k_f32 = std::to_array<std::string_view>({
      "ffn_gate_inp.weight",
      "ffn_gate_inp_shexp.weight",
      "position_embd.weight",
      "token_types.weight",
      "ssm_conv1d.weight",
      "ssm_conv1d_q.weight",
      "ssm_conv1d_k.weight",
      "ssm_conv1d_v.weight",
      "shortconv.conv.weight",
      "time_mix_first.weight",
      "time_mix_w1.weight",
      "time_mix_w2.weight",
      "time_mix_decay_w1.weight",
      "time_mix_decay_w2.weight",
      "time_mix_lerp_fused.weight",
      "altup_correct_coef.weight",
      "altup_predict_coef.weight",
      "indexer.proj.weight",
  });
  return !role.ends_with(".weight") || role.ends_with("_norm.weight") || std::ranges::find(k_f32, role) != k_f32.end();
}

/// llama-quant.cpp: use_more_bits.
bool more_bits(std::int64_t i, std::int64_t n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

/// A matrix or a stack of them; a vector stays F32 whatever it is called (ggml_n_dims).
bool is_matrix(const PlannedTensor& t) { return t.ne[1] > 1 || t.ne[2] > 1 || t.ne[3] > 1; }

bool is_ffn(Category category)
{
  return category == Category::ffn_up || category == Category::ffn_gate || category == Category::ffn_down;
}

/// Models that their architecture's load_arch_hparams calls LLM_TYPE_70B (src/models/{llama,qwen2,deci,olmo,jais2}.cpp).
bool is_type_70b(const ModelSpec& model)
{
  const auto n_expert = model.moe ? model.moe->n_expert : 0;
  if (model.arch == "llama") return model.n_layer == 80 && n_expert != 8 && model.n_head(0) != model.n_head_kv(0);
  if (model.arch == "qwen2" || model.arch == "deci" || model.arch == "olmo") return model.n_layer == 80;
  return model.arch == "jais2" && model.n_layer == 68;
}

/// What holds of the model in every layer.
Conditions model_conditions(const ModelSpec& model)
{
  const auto n_head_kv = model.n_head_kv(0);
  const auto n_expert = model.moe ? model.moe->n_expert : 0;
  Conditions bits = 0;
  if (n_head_kv > 0 && model.n_head(0) / n_head_kv >= 4) bits |= k_gqa4;
  if (n_expert >= 4) bits |= k_experts4;
  if (n_expert == 8) bits |= k_experts8;
  if (model.arch == "falcon") bits |= k_falcon;
  return bits;
}

/// Where a tensor is among those of its category: `rank` of `n_same` in the order of visit, in layer `layer` of `n_layer`.
struct Position {
  std::int64_t rank = 0, n_same = 0, layer = 0, n_layer = 0;
};

/// llama-quantize counts attention tensors by their own number and FFN tensors by the number of layers; in models with experts it
/// reads an FFN tensor's layer from its name (layer_info).
Conditions position_conditions(Category category, const Position& at)
{
  const auto i = category == Category::attn_v ? at.rank : at.layer;
  const auto n = category == Category::attn_v ? at.n_same : at.n_layer;
  Conditions bits = 0;
  if (at.rank < 2) bits |= k_first_2;
  if (at.rank < 4) bits |= k_first_4;
  if (more_bits(i, n)) bits |= k_more_bits;
  if (i < n / 8) bits |= k_first_eighth;
  if (i < n / 16) bits |= k_first_sixteenth;
  if (i >= n / 8 && i < 7 * n / 8) bits |= k_middle;
  if (at.rank < n / 8) bits |= k_rank_first_eighth;
  return bits;
}

/// The type for rows that are not whole blocks of `type` (llama-quant.cpp: tensor_type_fallback). Where llama-quantize gives up
/// (no replacement is defined), F16 stands, which any row length allows.
TensorType fallback(TensorType type, std::uint64_t n_columns)
{
  using T = TensorType;
  const auto fits = [n_columns](T t) { return n_columns % traits(t).block_weights == 0; };
  if (fits(type)) return type;
  auto replacement = type;
  switch (type) {
    case T::iq1_s:
    case T::iq1_m:
    case T::iq2_xxs:
    case T::iq2_xs:
    case T::iq2_s:
    case T::iq3_xxs:
    case T::iq3_s:
    case T::iq4_xs: replacement = T::iq4_nl; break;
    case T::q2_0:
    case T::q2_K:
    case T::q3_K:
    case T::tq1_0:
    case T::tq2_0: replacement = T::q4_0; break;
    case T::q4_K: replacement = T::q5_0; break;
    case T::q5_K: replacement = T::q5_1; break;
    case T::q6_K: replacement = T::q8_0; break;
    default: break;
  }
  return fits(replacement) ? replacement : T::f16;
}

}  // namespace

TypeChooser::TypeChooser(const ModelSpec& model, const TensorPlan& plan)
    : site_of_(plan.tensors.size()), grouped_70b_(is_type_70b(model))
{
  const auto& tensors = plan.tensors;
  struct Visit {
    std::int64_t layer;
    std::string_view role;
    std::size_t tensor;
  };
  std::array<std::vector<Visit>, static_cast<std::size_t>(Category::other)> visits;
  struct Role {
    Site site;
    // The tensor before with this role, and the sites of those like it by their position: most layers are alike.
    const PlannedTensor* before = nullptr;
    std::vector<std::pair<Conditions, std::uint32_t>> known;
  };
  std::vector<Role> roles;
  std::deque<std::string> long_names;
  // conversion/gpt_oss.py writes the experts in MXFP4 whatever the file type; other models published so are converted like any.
  const bool native_mxfp4 = model.arch == "gpt-oss" && model.native_type == FileType::MXFP4_MOE;
  const auto everywhere = model_conditions(model);
  for (const auto& r : plan.roles) {
    const auto role = quantizer_name(r, 0);
    roles.push_back({.site = {.category = category_of(role),
                              .category_2025 = category_of_2025(role),
                              .per_layer_embd = role == "per_layer_token_embd.weight",
                              .quantizable = name_is_quantizable(role),
                              .always_f32 = name_is_always_f32(role),
                              .native_expert = native_mxfp4 && role.ends_with("_exps.weight"),
                              .conditions = everywhere},
                     .known = {}});
    if (roles.back().site.category == Category::output) tied_ = false;
  }

  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& t = tensors[i];
    const auto& site = roles[t.role].site;
    if (!site.quantizable || !is_matrix(t) || (site.category != Category::attn_v && !is_ffn(site.category))) continue;
    const auto& role = plan.roles[t.role];
    const bool in_block = role.in_block && role.before.empty();
    const std::string_view name = in_block || !role.in_block ? role.name : long_names.emplace_back(quantizer_name(role, t.layer));
    visits[static_cast<std::size_t>(site.category)].push_back({in_block ? std::int64_t{t.layer} : -1, name, i});
  }
  std::vector<Conditions> positions(tensors.size());
  const std::int64_t n_layer = model.n_layer + model.n_layer_nextn;
  const bool layer_by_name = model.moe && model.moe->n_expert > 1;
  for (std::size_t category = 0; category < visits.size(); ++category) {
    auto& same = visits[category];
    const auto before = [](const Visit& a, const Visit& b) {  // llama-model-loader.h: weight_name_comparer
      return a.layer != b.layer ? a.layer < b.layer : a.role < b.role;
    };
    if (!std::ranges::is_sorted(same, before)) std::ranges::sort(same, before);
    for (std::size_t rank = 0; rank < same.size(); ++rank) {
      Position at{.rank = static_cast<std::int64_t>(rank), .n_same = static_cast<std::int64_t>(same.size()), .n_layer = n_layer};
      at.layer = layer_by_name ? same[rank].layer : at.rank;
      positions[same[rank].tensor] = position_conditions(static_cast<Category>(category), at);
    }
  }

  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& t = tensors[i];
    auto& role = roles[t.role];
    if (role.before && (role.before->ne != t.ne || role.before->type != t.type)) role.known.clear();
    role.before = &t;
    auto known = std::ranges::find(role.known, positions[i], &std::pair<Conditions, std::uint32_t>::first);
    if (known == role.known.end()) {
      auto site = role.site;
      site.n_columns = t.ne[0];
      site.integers = t.type == TensorType::i32;
      site.quantizable = site.quantizable && is_matrix(t);
      site.always_f32 = site.always_f32 || !is_matrix(t);
      site.wide_expert = t.ne[2] > 1 && (model.arch != "bailingmoe3" || is_ffn(site.category));
      site.conditions |= positions[i];
      const auto found = std::ranges::find(sites_, site);
      known = role.known.insert(known, {positions[i], static_cast<std::uint32_t>(found - sites_.begin())});
      if (found == sites_.end()) {
        sites_.push_back(site);
        rows_.emplace_back();
      }
    }
    site_of_[i] = known->second;
    const auto rows = t.ne[1] * t.ne[2] * t.ne[3];
    rows_[known->second].all += rows;
    if (t.loaded) rows_[known->second].loaded += rows;
  }
}

TensorType TypeChooser::quantized_type(const Site& site, FileType type, QuantizeOptions options) const
{
  const auto rules = options.rules;
  const auto category = rules == QuantizeRules::current ? site.category : site.category_2025;
  const bool tied = tied_ && rules > QuantizeRules::until_2024_02_22 && (rules == QuantizeRules::current || !site.per_layer_embd);
  const bool as_output = category == Category::output || (tied && category == Category::token_embd);
  if (type == FileType::MXFP4_MOE) return site.wide_expert && !as_output ? TensorType::mxfp4 : TensorType::q8_0;

  auto conditions = site.conditions;
  if (options.imatrix) conditions |= k_imatrix;
  if (rules == QuantizeRules::until_2024_01_11) conditions |= k_until_2024_01;
  if (site.n_columns % traits(default_tensor_type(type)).block_weights != 0) conditions |= k_odd_width;
  auto chosen = mixed_type(type, as_output ? Category::output : category, conditions);
  if (grouped_70b_ && category == Category::attn_v && !is_low_bit_iq(type) &&
      (chosen == TensorType::q3_K || chosen == TensorType::q4_K)) {
    chosen = TensorType::q5_K;  // attn_v is small there: 8 query heads share a value head
  }
  return chosen;
}

TensorType TypeChooser::type_at(const Site& site, FileType type, QuantizeOptions options) const
{
  const auto base = default_tensor_type(type);
  const bool quantize = traits(base).quantized;
  if (site.integers) return TensorType::i32;
  if (quantize && site.quantizable) return fallback(quantized_type(site, type, options), site.n_columns);
  if (site.always_f32) return TensorType::f32;
  if (site.native_expert) return TensorType::mxfp4;
  return quantize ? TensorType::f16 : base;  // llama-quantize starts from an F16 file
}

std::vector<TensorType> TypeChooser::types_of_sites(FileType type, QuantizeOptions options) const
{
  std::vector<TensorType> types;
  types.reserve(sites_.size());
  for (const auto& site : sites_) types.push_back(type_at(site, type, options));
  return types;
}

void TypeChooser::apply(FileType type, QuantizeOptions options, std::span<PlannedTensor> tensors) const
{
  const auto types = types_of_sites(type, options);
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].type = types[site_of_[i]];
}

TypeChooser::Sizes TypeChooser::sizes(FileType type, QuantizeOptions options) const
{
  Sizes sums;
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    const auto row = row_size(type_at(sites_[i], type, options), sites_[i].n_columns);
    sums.all += rows_[i].all * row;
    sums.loaded += rows_[i].loaded * row;
  }
  return sums;
}

bool TypeChooser::uses(FileType type, QuantizeOptions options, TensorType tensor_type) const
{
  return std::ranges::any_of(sites_, [&](const Site& s) { return type_at(s, type, options) == tensor_type; });
}

void choose_tensor_types(const ModelSpec& model, FileType type, QuantizeOptions options, TensorPlan& plan)
{
  TypeChooser(model, plan).apply(type, options, plan.tensors);
}

}  // namespace canirun
