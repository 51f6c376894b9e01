#include "arch/tensor_name.hpp"

#include <algorithm>
#include <array>
#include <cassert>
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

std::string full_name(std::string_view name, std::string_view suffix, std::uint32_t il)
{
  std::array<char, 128> text{};
  auto* end = text.data();
  const auto add = [&](std::string_view part) { end = std::copy(part.begin(), part.end(), end); };
  if (il != k_global) {
    if (name.starts_with("enc.") || name.starts_with("dec.")) {
      add(name.substr(0, 4));
      name.remove_prefix(4);
    }
    add("blk.");
    end = std::to_chars(end, end + 10, il).ptr;
    add(".");
  }
  assert(name.size() + suffix.size() < 96 && "an architecture's own names are short");
  add(name);
  add(suffix);
  return {text.data(), end};
}

std::uint64_t role_of(std::string_view name, std::string_view suffix)
{
  return hash_of(name) * 0x9e3779b97f4a7c15 ^ hash_of(suffix);
}

PlannedTensor describe_tensor(std::string_view full, std::string_view arch)
{
  PlannedTensor t;
  t.name = full;
  auto base = full;
  const auto half = base.starts_with("enc.blk.") || base.starts_with("dec.blk.");  // of an encoder-decoder model
  if (half || base.starts_with("blk.")) {
    base.remove_prefix(half ? 8 : 4);
    std::uint32_t il = 0;
    while (!base.empty() && base.front() >= '0' && base.front() <= '9' && il < 100'000) {
      il = il * 10 + static_cast<std::uint32_t>(base.front() - '0');
      base.remove_prefix(1);
    }
    t.layer = il;
    if (base.starts_with('.')) base.remove_prefix(1);
    t.role = hash_of(base);
    t.expert = is_expert(base);
    return t;
  }
  t.role = hash_of(full);
  const auto dot = base.rfind('.');
  t.place = place_of(base.substr(0, dot), arch);
  t.lazy = base.starts_with("per_layer_token_embd");
  t.every_layer = base.starts_with("rope_freqs") || base.starts_with("rope_factors_");
  return t;
}

}  // namespace canirun
