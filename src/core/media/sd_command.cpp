#include "media/sd_command.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include <fmt/format.h>

#include "canirun/core/media.hpp"
#include "media/denoiser.hpp"
#include "media/image_program.hpp"

namespace canirun {

namespace {

/// What stable-diffusion.cpp runs, by its docs (flux.md, flux2.md, sd3.md, chroma.md, qwen_image.md, z_image.md, wan.md, ltx2.md,
/// hunyuan_video.md, pixart.md; November 2026). One architecture can have text encoders that the program lacks: Kolors is an SDXL
/// UNet with ChatGLM, Lumina Image 2 is Z-Image's with Gemma.
struct Runs {
  std::string_view arch;
  std::string_view encoder;  ///< In the name of one of the text encoders.
};
constexpr auto k_runs = std::to_array<Runs>({
    {"sd1", "CLIP"},
    {"sd2", "CLIP"},
    {"sdxl", "CLIP"},
    {"sd3", "CLIP"},
    {"flux", "T5-XXL"},
    {"chroma", "T5-XXL"},
    {"pixart", "T5-XXL"},
    {"flux2", ""},
    {"qwen_image", "Qwen2.5-VL"},
    {"lumina2", "Qwen3"},
    {"wan", "UMT5"},
    {"ltxv", "Gemma 3"},
    {"hyvid", "Qwen2.5-VL"},
});

/// Options by words of a part's name; every other text encoder is a language model (--llm).
struct PartOption {
  std::string_view words;
  std::string_view option;
};
constexpr auto k_encoders = std::to_array<PartOption>({
    {"CLIP ViT-L", "clip_l"}, {"ViT-bigG", "clip_g"}, {"T5", "t5xxl"},  // T5-XXL, UMT5-XXL, ByT5
});

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string_view encoder_option(std::string_view name)
{
  const auto found = std::ranges::find_if(k_encoders, [name](const PartOption& o) { return has(name, o.words); });
  return found == k_encoders.end() ? "llm" : found->option;
}

/// "Mistral Small 3.2 24B (with vision)" → "mistral-small-3.2-24b".
std::string file_stem(std::string_view name)
{
  std::string stem;
  for (const char c : name.substr(0, name.find(" (")))
    stem += c == ' ' || c == '/' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return stem;
}

std::string option(std::string_view name, std::string_view stem) { return fmt::format(" --{} {}.safetensors", name, stem); }

/// The files of a model whose parts come apart.
std::string part_options(const ModelSpec& model)
{
  std::string line;
  for (const auto& part : model.media->components) {
    if (part.role == "transformer_2") {
      line += option("high-noise-diffusion-model", model.id + "-high-noise");
    } else if (part.role == "text_encoder") {
      line += option(encoder_option(part.name), file_stem(part.name));
    } else if (part.role == "image_encoder") {
      line += option("clip_vision", file_stem(part.name));
    } else if (part.role == "connectors") {
      line += option("embeddings-connectors", model.id + "-connectors");
    } else if (part.role == "vae") {
      line += option("vae", model.id + "-vae");
    }
  }
  if (model.media->denoiser && model.media->denoiser->n_embd_audio > 0) line += option("audio-vae", model.id + "-audio-vae");
  return line;
}

// In the order of what they cost: flash attention nothing, tiles a few percent and at worst a seam, text encoders on the CPU seconds
// an image, offloading an upload a stage, streaming an upload a step, the decoder on the CPU minutes.
constexpr auto k_setups = std::to_array<Setup>({
    {},
    {.flash_attn = true},
    {.tiled = true},
    {.flash_attn = true, .tiled = true},
    {.encode_on_cpu = true},
    {.flash_attn = true, .encode_on_cpu = true},
    {.flash_attn = true, .tiled = true, .encode_on_cpu = true},
    {.flash_attn = true, .offload = true},
    {.flash_attn = true, .tiled = true, .offload = true},
    {.flash_attn = true, .tiled = true, .encode_on_cpu = true, .offload = true},
    {.flash_attn = true, .tiled = true, .encode_on_cpu = true, .offload = true, .stream = true},
    {.flash_attn = true, .tiled = true, .encode_on_cpu = true, .decode_on_cpu = true, .offload = true, .stream = true},
    {.gpu = false},
    {.flash_attn = true, .tiled = true, .gpu = false},
});

std::vector<std::string> flags_of(const Setup& s)
{
  std::vector<std::string> flags;
  if (s.flash_attn) flags.emplace_back("--diffusion-fa");
  if (s.tiled) flags.emplace_back("--vae-tiling");
  if (s.encode_on_cpu) flags.emplace_back("--clip-on-cpu");
  if (s.offload) flags.emplace_back("--offload-to-cpu");
  if (s.stream) flags.emplace_back("--max-vram -0.5");
  if (s.decode_on_cpu) flags.emplace_back("--vae-on-cpu");
  return flags;
}

}  // namespace

const ImageProgram& stable_diffusion_cpp()
{
  using namespace literals;
  static const ImageProgram program{.name = "stable-diffusion.cpp", .setups = k_setups, .settings = flags_of, .process = 200_MiB};
  return program;
}

bool sd_runs(const ModelSpec& model)
{
  const auto known = std::ranges::find(k_runs, model.arch, &Runs::arch);
  return known != k_runs.end() && std::ranges::any_of(model.media->components, [known](const Component& part) {
           return part.role == "text_encoder" && has(part.name, known->encoder);
         });
}

std::string sd_command(const ModelSpec& model, TensorType type, const MediaRun& run, bool guided)
{
  if (!sd_runs(model)) return "";
  const bool video = run.unit == MediaRun::Unit::video, whole = is_unet(model.arch);
  std::string line = video ? "sd-cli -M vid_gen" : "sd-cli";
  line += fmt::format(" {} {}.safetensors", whole ? "-m" : "--diffusion-model", model.id);
  if (!whole) line += part_options(model);
  line += fmt::format(" --type {} -W {} -H {} --steps {} --cfg-scale {}", traits(type).name, run.width, run.height, run.steps,
                      guided ? "5" : "1");
  if (video) line += fmt::format(" --video-frames {}", run.frames);
  for (const auto& flag : run.settings) line += " " + flag;
  return line + " -p PROMPT";
}

}  // namespace canirun
