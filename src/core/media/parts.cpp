#include "media/parts.hpp"

#include <algorithm>

namespace canirun {

namespace {

// vae.hpp: get_tile_sizes: tiles of 256 pixels unless --vae-tile-size says otherwise.
constexpr std::uint32_t k_tile = 256;
// diffusers: AutoencoderKL's tiles are as large as its config's sample_size (512 to 1024), so the command states them; video decoders
// have 256 (models/autoencoders/*.py: tile_sample_min_height).
constexpr std::uint32_t k_diffusers_video_tile = 256;
// What streaming keeps of the denoiser on the GPU: the block that runs and the next (backend.md: graph segments and prefetch).
constexpr std::uint64_t k_resident_share = 16;

/// Text encoders by the name of the component: the vocabulary decides what a table in F32 costs, the width what a prompt takes.
struct Encoder {
  std::string_view name;
  std::uint64_t n_vocab, n_embd;
  /// Numbers that transformers keeps in F32 when it loads the rest in F16 (modeling_t5.py, modeling_umt5.py:
  /// _keep_in_fp32_modules = ["wo"]): layers · n_ff · n_embd.
  std::uint64_t n_f32 = 0;
};
constexpr std::uint64_t k_safety_checker = 304'000'000;  // CLIP ViT-L/14's vision tower (its config.json) and 20 concepts
constexpr std::uint64_t k_t5_xxl = 24ULL * 10240 * 4096;
constexpr auto k_encoders = std::to_array<Encoder>({
    {"CLIP ViT-L/14", 49408, 768},
    {"OpenCLIP ViT-bigG", 49408, 1280},
    {"OpenCLIP ViT-H", 49408, 1024},
    {"UMT5-XXL", 256384, 4096, k_t5_xxl},
    {"Pile-T5-XL", 32128, 2048, 24ULL * 5120 * 2048},
    {"T5-XXL", 32128, 4096, k_t5_xxl},
    {"Qwen2.5-VL-7B", 152064, 3584},
    {"Qwen3-4B", 151936, 2560},
    {"Qwen3-8B", 151936, 4096},
    {"Mistral Small 3.2", 131072, 5120},
    {"Gemma 2 2B", 256000, 2304},
    {"Gemma 3 12B", 262208, 3840},
    {"LLaVA-Llama-3-8B", 128320, 4096},
    {"Llama-3.1-8B", 128256, 4096},
    {"ChatGLM3-6B", 65024, 4096},
    {"GLM-4-9B", 151552, 4096},
    {"ByT5-small", 384, 1472, 12ULL * 3584 * 1472},
});

const Encoder* find_encoder(std::string_view name)
{
  for (const auto& e : k_encoders) {
    if (name.starts_with(e.name)) return &e;
  }
  return nullptr;
}

bool is_encoder(const Component& c) { return c.role == "text_encoder" || c.role == "image_encoder" || c.role == "connectors"; }
bool is_decoder(const Component& c) { return c.role == "vae"; }

bool edits(const ModelSpec& model) { return model.kind == ModelKind::video; }

// Measured over estimated: docs/media-models.md, "How far it agrees".
constexpr double k_video_low = 0.7, k_video_high = 1.5;
constexpr double k_estimated_low = 0.7, k_estimated_high = 1.4;
constexpr double k_replayed_high = 1.17;  // FLUX in 2024 printed up to 17 % more; UNets and image decoders are exact
constexpr double k_eager_low = 0.8, k_eager_high = 2.0;  // docs/diffusers.md, "How far it agrees"
constexpr double k_eager_video_low = 0.6, k_eager_video_high = 1.5;
constexpr std::uint64_t k_text_tokens = 77;

/// Bytes of a number that is not quantised.
std::uint64_t number_bytes(CheckpointType type) { return type == CheckpointType::f32 ? 4 : 2; }

}  // namespace

ImageModel::ImageModel(const ModelSpec& model, const ImageShape& image, Backend backend, Account account)
    : model_(model), media_(*model.media), image_(image), backend_(backend), account_(account)
{
  if (is_unet(model.arch) && media_.latent) known_ = GraphKnown::replayed;
  else known_ = transformer_known(model.arch, media_);
  if (known_) {
    auto& graph = scratch_graph();
    Net net(graph, {.flash_attn = true, .backend = backend_});
    build_denoiser(net);
    denoiser_work_ = net.work();
    declared_params_ = net.n_params();
    denoiser_weights_ = net.weights();
  }
  if (known_ && account_ != Account::ggml) {
    if (diffusers_batches(model_.arch) && media_.sampling) batch_ = media_.sampling->passes;
  }
  if (media_.latent) {
    auto& graph = scratch_graph();
    Net net(graph, {.backend = backend_});
    build_image_decoder(net, *media_.latent, {k_tile, k_tile, 1});
    decoder_weights_ = net.weights();
    const auto tiles = static_cast<double>(image_.width) * image_.height / (double{k_tile} * k_tile);
    // A video decoder's kernels reach over three frames.
    decoder_work_ = net.work().scaled(tiles * (is_video() ? 3.0 * image_.frames : 1.0));
  }
  const auto n_text = static_cast<double>(media_.denoiser ? std::max<std::uint32_t>(1, media_.denoiser->n_text) : k_text_tokens);
  for (const auto& c : media_.components) {
    if (!is_encoder(c)) continue;
    encoder_work_.flops += 2.0 * static_cast<double>(c.n_params) * n_text;
    encoder_work_.bytes += 2.0 * static_cast<double>(c.n_params);
  }
}

void ImageModel::build_denoiser(Net& net) const
{
  if (is_unet(model_.arch)) build_unet(net, model_.arch, media_, image_);
  else build_transformer(net, model_.arch, media_, image_);
}

double ImageModel::memory_low() const
{
  if (account_ != Account::ggml) return is_video() ? k_eager_video_low : k_eager_low;
  if (is_video()) return k_video_low;
  return known_ == GraphKnown::replayed ? 1 : k_estimated_low;
}

double ImageModel::memory_high() const
{
  if (account_ != Account::ggml) return is_video() ? k_eager_video_high : k_eager_high;
  if (is_video()) return k_video_high;
  if (is_unet(model_.arch)) return 1;
  return known_ == GraphKnown::replayed ? k_replayed_high : k_estimated_high;
}

std::uint64_t ImageModel::encoder_bytes(const Component& part, TensorType type) const
{
  // Images are encoded at 16 bits: a vision tower is no use quantised.
  if (part.role == "image_encoder") return 2 * part.n_params;
  std::uint64_t n_table = 0, width = 1024;
  if (const auto* e = find_encoder(part.name)) {
    n_table = std::min(e->n_vocab * e->n_embd, part.n_params);
    width = e->n_embd;
  }
  // Rows of whole blocks: every known width is a multiple of 256 but CLIP-H's and ByT5's, which keep 16 bits for K-quants.
  const std::array<NetWeight, 2> weights{
      {{WeightKind::table, width, n_table / width, 1}, {WeightKind::matrix, width, (part.n_params - n_table) / width, 1}}};
  return stored_bytes(weights, type);
}

PartBytes ImageModel::parts(TensorType type) const
{
  PartBytes out;
  for (const auto& c : media_.components) {
    if (is_encoder(c)) {
      out.encoders += encoder_bytes(c, type);
    } else if (is_decoder(c)) {
      const bool half = media_.latent && media_.latent->downscale == 8 && !edits(model_);
      out.decoder += half ? stored_bytes(decoder_weights_, TensorType::f16) : 2 * c.n_params;
    } else if (declared_params_ > 0) {
      // The published size stands; the shapes say which share of it each kind of tensor has.
      const auto share = static_cast<double>(c.n_params) / static_cast<double>(declared_params_);
      const auto bytes = static_cast<std::uint64_t>(static_cast<double>(stored_bytes(denoiser_weights_, type)) * share);
      out.denoiser += bytes;
      out.expert = std::max(out.expert, bytes);
    } else {
      constexpr std::uint64_t k_row = 1024;
      const std::array<NetWeight, 1> weights{{{WeightKind::matrix, k_row, c.n_params / k_row, 1}}};
      const auto bytes = stored_bytes(weights, type);
      out.denoiser += bytes;
      out.expert = std::max(out.expert, bytes);
    }
  }
  out.streamed = {out.encoders, out.expert / k_resident_share, out.decoder};
  return out;
}

std::uint64_t ImageModel::denoiser_bytes(CheckpointType type) const { return stored_bytes(denoiser_weights_, type); }

PartBytes ImageModel::parts(CheckpointType type) const
{
  PartBytes out;
  out.number = number_bytes(type);
  const auto dense = type == CheckpointType::fp8 ? diffusers_type(model_.arch) : type;
  // pipeline_stable_diffusion_xl.py: a decoder in F16 whose config says force_upcast decodes in F32.
  out.decoded_number = model_.arch == "sdxl" && dense == CheckpointType::f16 ? 4 : out.number;
  std::uint64_t uncast = 0, largest = 0;
  for (const auto& w : denoiser_weights_) largest = std::max(largest, w.row * w.n_rows * out.number);
  for (const auto& c : media_.components) {
    const auto whole = out.number * c.n_params;
    if (is_encoder(c)) {
      const auto* e = find_encoder(c.name);
      out.encoders += whole + (e && dense == CheckpointType::f16 ? 2 * e->n_f32 : 0);
      if (e) out.streamed[0] = std::max(out.streamed[0], out.number * e->n_vocab * e->n_embd);
    } else if (is_decoder(c)) {
      out.decoder += out.decoded_number * c.n_params;
    } else {
      const auto share = declared_params_ > 0 ? static_cast<double>(c.n_params) / static_cast<double>(declared_params_) : 0;
      const auto bytes = share > 0 ? static_cast<std::uint64_t>(share * static_cast<double>(denoiser_bytes(type)))
                                   : whole / (type == CheckpointType::fp8 ? 2 : 1);
      out.denoiser += bytes;
      out.expert = std::max(out.expert, bytes);
      uncast += whole;
    }
  }
  // Stable Diffusion 1's pipelines check the finished picture with one more tower, which no offloading moves
  // (pipeline_stable_diffusion.py: safety_checker, _exclude_from_cpu_offload).
  out.kept = model_.arch == "sd1" ? out.number * k_safety_checker : 0;
  // A leaf module at a time; without shapes a sixteenth stands for the largest.
  out.streamed[1] = largest > 0 ? std::min(largest, out.expert) : out.expert / k_resident_share;
  out.streamed[2] = out.decoder / k_resident_share;
  // Casting starts from 16 bits in RAM; other types go from the file to the GPU unless parts are put together before.
  if (type == CheckpointType::fp8 || diffusers_assembles(model_.arch)) out.loading = out.encoders + uncast + out.decoder;
  return out;
}

std::array<std::uint64_t, 3> ImageModel::buffers(const Setup& setup, const PartBytes& parts) const
{
  if (account_ == Account::ggml) return {encoder_buffer(), denoiser_buffer(setup.flash_attn), decoder_buffer(setup.tiled)};
  return {encoder_buffer(), parts.number * batch_ * denoiser_numbers(copies(parts.number)),
          parts.decoded_number * decoder_numbers(setup.tiled, copies(parts.decoded_number))};
}

std::uint64_t ImageModel::encoder_buffer() const
{
  // A prompt through the widest encoder: hidden states, feed-forward part and scores, one layer at a time.
  const std::uint64_t n = media_.denoiser ? std::max<std::uint32_t>(1, media_.denoiser->n_text) : k_text_tokens;
  std::uint64_t width = 768;
  for (const auto& c : media_.components) {
    if (const auto* e = is_encoder(c) ? find_encoder(c.name) : nullptr) width = std::max(width, e->n_embd);
  }
  return 4 * n * (14 * width + n * width / 64);
}

std::uint64_t ImageModel::denoiser_buffer(bool flash_attn) const
{
  auto& known = denoiser_buffer_[flash_attn];
  if (!known && known_) {
    auto& graph = scratch_graph();
    Net net(graph, {.flash_attn = flash_attn, .backend = backend_});
    build_denoiser(net);
    known = buffer_bytes(graph, backend_);
  }
  return known.value_or(0);
}

std::uint64_t ImageModel::copies(std::uint64_t number) const
{
  if (account_ == Account::eager) return 1;
  return number == 2 ? 2 : 0;
}

std::uint64_t ImageModel::denoiser_numbers(std::uint64_t copies) const
{
  if (!known_) return 0;
  auto& known = denoiser_numbers_.at(copies);
  if (!known) {
    auto& graph = scratch_graph();
    Net net(graph, {.eager = true, .backend = backend_});
    build_denoiser(net);
    known = eager_numbers(graph, net.held(), copies);
  }
  return *known;
}

std::uint64_t ImageModel::decoder_numbers(bool tiled, std::uint64_t copies) const
{
  if (!media_.latent) return 0;
  auto image = image_;
  if (tiled) {
    const auto tile = is_video() ? k_diffusers_video_tile : k_diffusers_image_tile;
    image.width = std::min(image.width, tile);
    image.height = std::min(image.height, tile);
  }
  // The finished picture is put together beside its tiles or chunks.
  const auto output = std::uint64_t{2} * 3 * image_.width * image_.height * image_.frames;
  if (is_video()) return output + video_decoder_numbers(model_.arch, *media_.latent, image);
  auto& graph = scratch_graph();
  Net net(graph, {.eager = true, .backend = backend_});
  build_image_decoder(net, *media_.latent, image);
  return eager_numbers(graph, net.held(), copies) + (tiled ? output : 0);
}

std::uint64_t ImageModel::decoder_buffer(bool tiled) const
{
  auto& known = decoder_buffer_[tiled];
  if (known || !media_.latent) return known.value_or(0);
  auto image = image_;
  if (tiled) {
    image.width = std::min(image.width, k_tile);
    image.height = std::min(image.height, k_tile);
  }
  if (is_video()) {
    known = video_decoder_bytes(model_.arch, *media_.latent, image);
  } else {
    auto& graph = scratch_graph();
    Net net(graph, {.backend = backend_});
    build_image_decoder(net, *media_.latent, image);
    known = buffer_bytes(graph, backend_);
  }
  return *known;
}

}  // namespace canirun
