#include "media/diffusers.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "canirun/core/command.hpp"
#include "canirun/core/media.hpp"
#include "torch.hpp"

namespace canirun {

namespace {

/// Pipelines by architecture (diffusers: docs/source/en/api/pipelines, pipelines/*/pipeline_*.py; November 2026).
struct Pipeline {
  std::string_view arch;
  CheckpointType type = CheckpointType::bf16;  ///< Of the published weights.
  bool batched = false;                        ///< Guidance: torch.cat([latents] * 2).
  std::string_view arguments;                  ///< Of encode_prompt after the prompt.
  std::string_view embeds;                     ///< What it returns, in its order, as the pipeline takes it; "" = not known here.
  std::string_view imports{}, parts{};         ///< Parts that its repository lacks, as arguments of from_pretrained.
};
constexpr std::string_view k_four = "prompt_embeds negative_prompt_embeds pooled_prompt_embeds negative_pooled_prompt_embeds";
constexpr std::string_view k_masked = "prompt_embeds prompt_attention_mask negative_prompt_embeds negative_prompt_attention_mask";
constexpr std::string_view k_two = "prompt_embeds negative_prompt_embeds";
constexpr std::string_view k_llama =
    R"(, text_encoder_4=LlamaForCausalLM.from_pretrained(l, output_hidden_states=True, output_attentions=True, torch_dtype=torch.bfloat16))"
    R"(, tokenizer_4=AutoTokenizer.from_pretrained(l))";
constexpr auto k_pipelines = std::to_array<Pipeline>({
    {"sd1", CheckpointType::f16, true, R"("cpu", 1, True)", k_two},
    {"sd2", CheckpointType::f16, true, R"("cpu", 1, True)", k_two},
    {"sdxl", CheckpointType::f16, true, R"(device="cpu")", k_four},
    {"sd3", CheckpointType::bf16, true, R"(None, None, device="cpu")", k_four},
    {"flux", CheckpointType::bf16, false, R"(None, device="cpu")", "prompt_embeds pooled_prompt_embeds"},
    {"flux2", CheckpointType::bf16, false, R"(device="cpu")", "prompt_embeds"},
    {"qwen_image", CheckpointType::bf16, false, R"(device="cpu")", "prompt_embeds prompt_embeds_mask"},
    {"wan", CheckpointType::bf16, false, R"(device="cpu")", k_two},
    {"ltxv", CheckpointType::bf16, true, R"(device="cpu")", k_masked},
    {"pixart", CheckpointType::f16, true, R"(device="cpu")", k_masked},
    {"cogvideox", CheckpointType::bf16, true, R"(device="cpu")", k_two},
    {"mochi", CheckpointType::bf16, true, R"(device="cpu")", k_masked},
    {"chroma", CheckpointType::bf16, false, "", ""},
    {"lumina2", CheckpointType::bf16, false, "", ""},
    {"hyvid", CheckpointType::bf16, false, "", ""},
    {"aura", CheckpointType::f16, true, "", ""},
    {"sana", CheckpointType::bf16, true, "", ""},
    {"cogview4", CheckpointType::bf16, false, "", ""},
    {"hidream", CheckpointType::bf16, true, "", "",
     R"(from transformers import AutoTokenizer, LlamaForCausalLM; l = "meta-llama/Llama-3.1-8B-Instruct"; )", k_llama},
});

const Pipeline* find(std::string_view arch)
{
  const auto found = std::ranges::find(k_pipelines, arch, &Pipeline::arch);
  return found == k_pipelines.end() ? nullptr : &*found;
}

// In the order of what they cost: tiles a few percent, moving whole models an upload each, text encoders on the CPU seconds, moving
// layers an upload of everything in every step.
constexpr auto k_setups = std::to_array<Setup>({
    {},
    {.tiled = true},
    {.offload = true},
    {.tiled = true, .offload = true},
    {.tiled = true, .encode_on_cpu = true},
    {.tiled = true, .encode_on_cpu = true, .offload = true},
    {.tiled = true, .offload = true, .stream = true},
    {.gpu = false},
    {.tiled = true, .gpu = false},
});

std::vector<std::string> settings_of(const Setup& s)
{
  std::vector<std::string> settings;
  if (s.encode_on_cpu) settings.emplace_back("encode_prompt on the CPU");
  if (s.stream) settings.emplace_back("enable_sequential_cpu_offload()");
  else if (s.offload) settings.emplace_back("enable_model_cpu_offload()");
  if (s.tiled) settings.emplace_back("vae.enable_tiling()");
  return settings;
}

std::string_view torch_type(CheckpointType type)
{
  return type == CheckpointType::f32 ? "float32" : type == CheckpointType::f16 ? "float16" : "bfloat16";
}

/// ", text_encoder=None, tokenizer=None, text_encoder_2=None …": parts that a pipeline is loaded without.
std::string without_encoders(const ModelSpec& model)
{
  std::string out;
  std::size_t n = 0;
  for (const auto& part : model.media->components) {
    if (part.role != "text_encoder") continue;
    const auto suffix = ++n == 1 ? std::string() : fmt::format("_{}", n);
    out += fmt::format(", text_encoder{0}=None, tokenizer{0}=None", suffix);
  }
  return out;
}

std::string without_denoisers(const ModelSpec& model)
{
  std::string out;
  for (const auto& part : model.media->components) {
    if (part.role != "text_encoder" && part.role != "image_encoder") out += fmt::format(", {}=None", part.role);
  }
  return out;
}

bool starts_from_image(const ModelSpec& model)
{
  return std::ranges::any_of(model.media->components, [](const Component& c) { return c.role == "image_encoder"; });
}

}  // namespace

const ImageProgram& diffusers()
{
  static const ImageProgram program{.name = "diffusers",
                                    .account = Account::eager,
                                    .setups = k_setups,
                                    .settings = settings_of,
                                    .process = k_torch_process,
                                    .upload = k_torch_upload};
  return program;
}

bool diffusers_runs(const ModelSpec& model) { return find(model.arch) != nullptr; }

CheckpointType diffusers_type(std::string_view arch)
{
  const auto* pipeline = find(arch);
  return pipeline ? pipeline->type : CheckpointType::bf16;
}

bool diffusers_batches(std::string_view arch)
{
  const auto* pipeline = find(arch);
  return pipeline && pipeline->batched;
}

bool diffusers_encodes_apart(std::string_view arch)
{
  const auto* pipeline = find(arch);
  return pipeline && !pipeline->embeds.empty();
}

bool diffusers_assembles(std::string_view arch)
{
  const auto* pipeline = find(arch);
  return pipeline && !pipeline->parts.empty();
}

std::string diffusers_command(const ModelSpec& model, std::string_view repository, CheckpointType type, const Setup& setup,
                              const MediaRun& run, Backend backend)
{
  const auto* pipeline = find(model.arch);
  if (!pipeline || repository.empty()) return "";
  const auto name = python_string(std::string(repository));
  const bool cast = type == CheckpointType::fp8;
  const auto dense = torch_type(cast ? pipeline->type : type);
  const auto device = setup.gpu ? torch_device(backend) : "cpu";
  const bool video = run.unit == MediaRun::Unit::video;
  const auto load = [&](std::string_view rest) {
    return fmt::format("DiffusionPipeline.from_pretrained({}, torch_dtype=torch.{}{})", name, dense, rest);
  };
  std::string code = "import torch; from diffusers import DiffusionPipeline; ";
  code += pipeline->imports;
  if (video) code += "from diffusers.utils import export_to_video; ";
  if (starts_from_image(model)) code += "from diffusers.utils import load_image; ";
  std::string prompt = R"(prompt="PROMPT")", parts(pipeline->parts);
  if (setup.encode_on_cpu) {
    code += fmt::format("torch.set_grad_enabled(False); t = {}; ", load(without_denoisers(model)));
    code += fmt::format("e = dict(zip(\"{}\".split(), t.encode_prompt(\"PROMPT\", {}))); del t; ", pipeline->embeds,
                        pipeline->arguments);
    prompt = fmt::format("**{{k: v.to(\"{}\") for k, v in e.items() if v is not None}}", device);
    parts = without_encoders(model);
  }
  // Weights that stay on the GPU go there as they are read; what is cast or moved about starts in RAM.
  const bool straight = setup.gpu && !setup.offload && !cast && pipeline->parts.empty();
  code += fmt::format("p = {}; ", load(parts + (straight ? fmt::format(", device_map=\"{}\"", device) : "")));
  if (cast) {
    for (const auto& part : model.media->components) {
      if (!part.role.starts_with("transformer") && part.role != "unet") continue;
      code += fmt::format("p.{}.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.{}); ", part.role,
                          dense);
    }
  }
  if (setup.stream) code += fmt::format("p.enable_sequential_cpu_offload(device=\"{}\"); ", device);
  else if (setup.offload) code += fmt::format("p.enable_model_cpu_offload(device=\"{}\"); ", device);
  else if (setup.gpu && !straight) code += fmt::format("p.to(\"{}\"); ", device);
  if (setup.tiled) {
    if (!video) {
      code += fmt::format("p.vae.tile_sample_min_size = {0}; p.vae.tile_latent_min_size = {0} // 8; ", k_diffusers_image_tile);
    }
    code += "p.vae.enable_tiling(); ";
  }
  auto arguments = fmt::format("{}, width={}, height={}, num_inference_steps={}", prompt, run.width, run.height, run.steps);
  if (starts_from_image(model)) arguments = R"(image=load_image("INPUT.png"), )" + arguments;
  if (video) code += fmt::format(R"(export_to_video(p({}, num_frames={}).frames[0], "video.mp4"))", arguments, run.frames);
  else code += fmt::format(R"(p({}).images[0].save("picture.png"))", arguments);
  const std::array<std::string, 3> words{"python3", "-c", code};
  return shell_line(words);
}

}  // namespace canirun
