#include "arch/tensor_name.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace canirun {
namespace {

/// Where llama.cpp keeps a tensor outside the blocks (llama-arch.cpp: LLM_TENSOR_INFOS); everything not named here is repeating.
TensorPlace place_of(std::string_view name, std::string_view arch)
{
  constexpr std::array inputs{"token_embd",   "position_embd",         "token_types",         "per_layer_token_embd",
                              "hrm.z_l_init", "masked_embd_centroids", "masked_embd_ordering"};
  constexpr std::array outputs{"output",
                               "output_norm",
                               "cls",
                               "cls.output",
                               "cls.norm",
                               "dense_2",
                               "dense_3",
                               "dec.output_norm",
                               "enc.output_norm",
                               "output_res_score",
                               "output_hc_fn",
                               "output_hc_base",
                               "output_hc_scale",
                               "output_hc_norm",
                               "output_hc_down",
                               "output_hc_up",
                               "altup_proj",
                               "altup_unembd_proj",
                               "nextn.post_projection",
                               "fc",
                               "d2t"};
  if (name == "token_embd_norm" && arch.starts_with("lfm2")) return TensorPlace::output;  // LLM_TENSOR_OUTPUT_NORM_LFM2
  const auto is_name = [&](const char* candidate) { return name == candidate; };
  if (std::ranges::any_of(inputs, is_name)) return TensorPlace::input;
  if (std::ranges::any_of(outputs, is_name)) return TensorPlace::output;
  return TensorPlace::repeating;
}

/// Of a short name, eight bytes at a time.
std::uint64_t hash_of(std::string_view text)
{
  std::uint64_t hash = text.size();
  while (!text.empty()) {
    std::uint64_t part = 0;
    const auto n = std::min(text.size(), sizeof part);
    std::memcpy(&part, text.data(), n);
    hash = (hash ^ part) * 0x9e3779b97f4a7c15;
    text.remove_prefix(n);
  }
  return hash ^ (hash >> 32);
}

}  // namespace

bool is_expert(std::string_view name)
{
  if (!name.starts_with("ffn_")) return false;
  for (const std::string_view stem : {"ffn_up_", "ffn_down_", "ffn_gate_", "ffn_gate_up_"}) {
    if (!name.starts_with(stem)) continue;
    const auto rest = name.substr(stem.size());
    if (rest.starts_with("exps") || rest.starts_with("chexps")) return true;
  }
  return false;
}

std::string full_name(const TensorRole& role, std::uint32_t layer)
{
  if (!role.in_block) return role.before + role.name;
  return role.before + "blk." + std::to_string(layer) + "." + role.name;
}

TensorRole role_of(std::string_view name, std::string_view suffix, bool in_block)
{
  TensorRole role;
  role.in_block = in_block;
  if (in_block && (name.starts_with("enc.") || name.starts_with("dec."))) {
    role.before = name.substr(0, 4);
    name.remove_prefix(4);
  }
  role.name = name;
  role.name += suffix;
  return role;
}

std::uint64_t hash_of(std::string_view name, std::string_view suffix)
{
  return hash_of(name) * 0x9e3779b97f4a7c15 ^ hash_of(suffix);
}

PlannedTensor describe(const TensorRole& role, std::string_view arch)
{
  PlannedTensor t;
  if (role.in_block) {
    t.expert = is_expert(role.name);
    return t;
  }
  t.place = place_of(std::string_view(role.name).substr(0, role.name.rfind('.')), arch);
  t.lazy = role.name.starts_with("per_layer_token_embd");
  t.every_layer = role.name.starts_with("rope_freqs") || role.name.starts_with("rope_factors_");
  return t;
}

NamedTensors::NamedTensors(TensorPlan& plan, std::string_view arch) : plan_(plan), arch_(arch)
{
  for (std::uint32_t i = 0; i < plan.roles.size(); ++i) {
    const auto& role = plan.roles[i];
    roles_.emplace(role.before + (role.in_block ? "blk." : "") + role.name, i);
  }
}

PlannedTensor& NamedTensors::append(std::string_view name)
{
  TensorRole role;
  role.name = name;
  auto key = role.name;
  std::uint32_t layer = 0;
  auto rest = name;
  const auto half = rest.starts_with("enc.blk.") || rest.starts_with("dec.blk.");  // of an encoder-decoder model
  if (half) rest.remove_prefix(4);
  if (rest.starts_with("blk.")) {
    rest.remove_prefix(4);
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    const auto n_digits = static_cast<std::size_t>(end - rest.data());
    // Another spelling of a number ("blk.007.") is no name that llama.cpp writes: it stays whole.
    const bool plain = error == std::errc{} && std::to_string(layer).size() == n_digits && rest.substr(n_digits).starts_with('.');
    if (plain) {
      role = {.before = std::string(half ? name.substr(0, 4) : ""), .name = std::string(rest.substr(n_digits + 1)), .in_block = true};
      key = role.before + "blk." + role.name;
    }
  }
  const auto [known, is_new] = roles_.try_emplace(std::move(key), static_cast<std::uint32_t>(plan_.roles.size()));
  auto t = describe(role, arch_);
  t.role = known->second;
  t.layer = layer;
  if (is_new) plan_.roles.push_back(std::move(role));
  return plan_.tensors.emplace_back(t);
}

}  // namespace canirun
