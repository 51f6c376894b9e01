#include "canirun/core/projector.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "graph/backend_rules.hpp"

namespace canirun {

namespace {

/// The image that llama.cpp reserves for where it is not image_size (clip.cpp: load_hparams, set_warmup_n_tokens and
/// set_limit_image_tokens): so many tokens a side, each of n_merge · n_merge patches.
struct Warmup {
  std::string_view type;
  std::uint64_t side;
  std::uint64_t n_merge;  ///< Unless the file says it.
};
constexpr auto k_warmups = std::to_array<Warmup>({
    {"qwen2vl_merger", 46, 2}, {"qwen2.5vl_merger", 46, 2}, {"qwen2.5o", 46, 2}, {"qwen3vl_merger", 46, 2}, {"mimovl", 46, 2},
    {"glm4v", 46, 2},          {"exaone4_5", 46, 2},        {"dots_ocr", 46, 2}, {"dots3note_v", 46, 2},    {"paddleocr", 28, 2},
    {"hunyuanvl", 32, 2},      {"muse-glimmer", 32, 2},     {"pixtral", 16, 1},  {"lightonocr", 16, 1},     {"kimivl", 16, 2},
    {"gemma4v", 16, 3},        {"gemma4uv", 16, 3},         {"phi4", 16, 1},     {"minimax_m3", 16, 2},     {"youtuvl", 16, 2},
    {"lfm2", 16, 2},           {"deepseek4v", 16, 1},       {"kimik25", 64, 2},
});

constexpr std::uint64_t k_audio_frames = 3000;  // clip-model.h: warmup_audio_size, half a minute of sound
constexpr std::uint64_t k_ocr_side = 1024;      // pixels; clip.cpp: PROJECTOR_TYPE_DEEPSEEKOCR

std::uint64_t patches_of(const Tower& t)
{
  if (t.audio) return k_audio_frames;
  const auto warmup = std::ranges::find(k_warmups, t.type, &Warmup::type);
  if (warmup != k_warmups.end()) {
    const auto side = warmup->side * (t.n_merge > 0 ? t.n_merge : warmup->n_merge);
    return side * side;
  }
  const auto pixels = t.type.starts_with("deepseekocr") ? k_ocr_side : t.image_size;
  const auto side = t.patch_size > 0 ? pixels / t.patch_size : 0;
  return side * side;
}

/// Live floats of a patch at the peak of a layer, in widths: the feed-forward part holds its own width and 3 of the residual stream's;
/// attention (q, k, v, their rotations and F16 copies) took at most 8.7 in the measured ones.
constexpr std::uint64_t k_attention_widths = 9;

std::uint64_t compute_of(const Tower& t, bool flash_attn)
{
  const auto n = patches_of(t);
  const auto layer = std::max(t.n_ff * (t.gated ? 2 : 1) + 3 * t.n_embd, k_attention_widths * t.n_embd);
  const auto scores = flash_attn ? 0 : 4 * t.n_head * n * n;
  const auto masks = t.windowed ? (4 + 2) * n * n : 0;  // F32, and F16 for flash attention
  return 4 * n * layer + scores + masks;
}

}  // namespace

Bytes projector_weights(const Projector& projector, Backend backend)
{
  Bytes sum;
  for (const auto& t : projector.tensors) {
    if (t.shape.empty()) continue;
    std::uint64_t rows = 1;
    for (std::size_t i = 1; i < t.shape.size(); ++i) rows *= t.shape[i];
    const auto bytes = rows * row_size(t.type, t.shape[0]).count;
    sum += align_up({bytes + row_tail(backend, t.type, t.shape[0])}, buffer_alignment(backend));
  }
  return sum;
}

ProjectorBytes projector_bytes(const Projector& projector, const ModelSpec& model, Backend backend, bool flash_attn)
{
  if (projector.of_catalogue) return {.weights = {2 * model.n_params_mmproj}, .compute = {}, .image = {}};
  ProjectorBytes bytes{.weights = projector_weights(projector, backend), .compute = {}, .image = {}};
  for (const auto& tower : projector.towers) {
    bytes.compute += Bytes{compute_of(tower, flash_attn)};
    if (!tower.audio) bytes.image += Bytes{patches_of(tower) * tower.patch_size * tower.patch_size * 3 * 4};
  }
  return bytes;
}

}  // namespace canirun
