#include "catch.hpp"
#include "canirun/core/media.hpp"
#include "canirun/core/model.hpp"

#include "media/denoiser.hpp"
#include "media/net.hpp"
#include "media/whisper.hpp"

using namespace canirun;

namespace {

struct Built {
  std::uint64_t n_params = 0, bytes = 0;
  double flops = 0;
};

Built unet(std::string_view arch, std::uint32_t width, std::uint32_t height, bool flash_attn = false)
{
  MediaSpec spec;
  spec.latent = Latent{4, 8, 1, {1, 1, 1}};
  Graph graph;
  Net net(graph, {.flash_attn = flash_attn});
  build_unet(net, arch, spec, {width, height, 1});
  return {net.n_params(), buffer_bytes(graph, Backend::cuda), net.work().flops};
}

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / 1048576; }

ModelSpec whisper_turbo()
{
  ModelSpec spec;
  spec.arch = "whisper";
  spec.kind = ModelKind::audio;
  spec.n_embd = 1280;
  spec.n_head = 20u;
  spec.n_ff = 5120u;
  spec.n_vocab = 51866;
  spec.media = std::make_shared<MediaSpec>();
  spec.media->whisper = WhisperSpec{32, 4, 128, 1500};
  return spec;
}

}  // namespace

TEST_CASE("the UNets have the published number of parameters")
{
  CHECK(unet("sd1", 512, 512).n_params == 859520964);
  CHECK(unet("sd2", 512, 512).n_params == 865910724);
  CHECK(unet("sdxl", 512, 512).n_params == 2567463684);
}

TEST_CASE("compute buffers of the UNets are those that stable-diffusion.cpp prints")
{
  CHECK(mib(unet("sdxl", 1024, 1024).bytes) == Approx(830.86).margin(0.01));
  CHECK(mib(unet("sd1", 512, 768).bytes) == Approx(1220.07).margin(0.01));
  CHECK(mib(unet("sd1", 768, 1024).bytes) == Approx(4736.59).margin(0.01));
}

TEST_CASE("flash attention takes the scores out of the buffer and leaves the arithmetic")
{
  const auto scores = unet("sdxl", 1024, 1024), flash = unet("sdxl", 1024, 1024, true);
  CHECK(flash.bytes < scores.bytes);
  CHECK(flash.n_params == scores.n_params);
  CHECK(flash.flops == Approx(scores.flops).epsilon(0.01));
  // 2.99 TMAC an evaluation of SDXL at 1024x1024 in its layers, and 0.76 TFLOP of scores that such counts leave out.
  CHECK(scores.flops == Approx(5.98e12 + 0.76e12).epsilon(0.01));
}

TEST_CASE("an image decoder holds input, output and unfolded patches of its widest level")
{
  const Latent latent{16, 8, 1, {1, 2, 2}};
  const auto decoder = [&](bool direct, std::uint32_t side, Backend backend) {
    Graph graph;
    Net net(graph, {.direct_conv = direct, .backend = backend});
    build_image_decoder(net, latent, {side, side, 1});
    return mib(buffer_bytes(graph, backend));
  };
  CHECK(decoder(false, 512, Backend::cuda) == Approx(1664.0).margin(0.01));
  CHECK(decoder(true, 256, Backend::vulkan) == Approx(176.0).margin(0.01));
}

TEST_CASE("rows that are no whole blocks keep the published type")
{
  const std::vector<NetWeight> weights{{WeightKind::matrix, 320, 320, 1}};
  CHECK(stored_bytes(weights, TensorType::q8_0) == 320 * 10 * 34);
  CHECK(stored_bytes(weights, TensorType::q4_K) == 320 * 320 * 2);
  CHECK(stored_bytes(weights, TensorType::f32) == 320 * 320 * 4);
  const std::vector<NetWeight> table{{WeightKind::table, 768, 10, 1}};
  CHECK(stored_bytes(table, TensorType::q4_K) == 768 * 10 * 4);
  CHECK(stored_bytes(table, TensorType::q4_0) == 10 * 24 * 18);
}

TEST_CASE("a double-stream transformer has the published number of parameters")
{
  MediaSpec spec;
  spec.latent = Latent{16, 8, 1, {1, 2, 2}};
  spec.denoiser = DenoiserSpec{
      .n_layer = 19, .n_layer_single = 38, .n_embd = 3072, .n_head = 24, .n_ff = 12288, .n_embd_text = 4096, .n_text = 256};
  Graph graph;
  Net net(graph, {.flash_attn = true});
  build_transformer(net, "flux", spec, {1024, 1024, 1});
  CHECK(net.n_params() == 11901408320);
  CHECK(ImageShape{1024, 1024, 1}.tokens(*spec.latent) == 4096);
}

TEST_CASE("more pixels, more frames and more text never take less")
{
  MediaSpec spec;
  spec.latent = Latent{16, 8, 4, {1, 2, 2}};
  spec.denoiser = DenoiserSpec{.n_layer = 30, .n_embd = 1536, .n_head = 12, .n_ff = 8960, .n_embd_text = 4096, .n_text = 512};
  std::uint64_t last = 0;
  for (const auto frames : {1u, 17u, 33u, 81u}) {
    Graph graph;
    Net net(graph, {.flash_attn = true});
    build_transformer(net, "wan", spec, {832, 480, frames});
    const auto bytes = buffer_bytes(graph, Backend::cuda);
    CHECK(bytes > last);
    last = bytes;
  }
}

TEST_CASE("Whisper: weights, caches and buffers as whisper.cpp prints them")
{
  const auto spec = whisper_turbo();
  const Whisper whisper(spec, false, Backend::cuda);
  CHECK(whisper.n_params() == 808878080);
  CHECK(whisper.cross_cache() == 31457280);  // "kv cross size = 31.46 MB"
  CHECK(whisper.pad_cache() == 7864320);     // "kv pad size = 7.86 MB"
  // "compute buffer (conv) = 36.13 MB" …: each with 1.57 MB of the scheduler's own.
  const auto mb = [&](std::size_t i) { return static_cast<double>(whisper.buffers()[i]) / 1e6 + 1.57; };
  CHECK(mb(0) == Approx(36.13).epsilon(0.15));
  CHECK(mb(1) == Approx(212.29).epsilon(0.05));
  CHECK(mb(2) == Approx(9.25).epsilon(0.01));
  CHECK(mb(3) == Approx(99.10).epsilon(0.03));
  // ggml-large-v3-turbo.bin, -q8_0.bin, -q5_0.bin on Hugging Face.
  CHECK(static_cast<double>(whisper.weights(TensorType::f16)) == Approx(1.6247e9).epsilon(0.01));
  CHECK(static_cast<double>(whisper.weights(TensorType::q8_0)) == Approx(874.2e6).epsilon(0.01));
  CHECK(static_cast<double>(whisper.weights(TensorType::q5_0)) == Approx(574.0e6).epsilon(0.01));
}

TEST_CASE("PyTorch holds a result until it was read for the last time")
{
  Graph graph;
  Net net(graph, {.eager = true});
  const auto x = net.input(TensorType::f32, 100);
  const auto a = net.silu(x), b = net.silu(a);
  const auto c = net.add(b, a);
  net.expand(net.silu(c));
  // The input stays. a and b live while c is made: 100 each, four in all; then c and its successor.
  CHECK(eager_numbers(graph, {}) == 400);
  // A caller that keeps a until the end has it beside c and the last.
  const Held held[] = {{a.id, graph.tensors.size()}};
  CHECK(eager_numbers(graph, held) == 400);
  const Held both[] = {{a.id, graph.tensors.size()}, {b.id, graph.tensors.size()}};
  CHECK(eager_numbers(graph, both) == 500);
}

TEST_CASE("a convolution has its input and output twice, a linear layer has one result")
{
  Graph graph;
  Net net(graph, {.eager = true});
  net.expand(net.conv(net.input(TensorType::f32, 8, 8, 4), 16));
  // Input 256 and output 1024, both once more with channels last.
  CHECK(eager_numbers(graph, net.held()) == 2 * (256 + 1024));
  CHECK(eager_numbers(graph, net.held(), 2) == 3 * (256 + 1024));
  CHECK(eager_numbers(graph, net.held(), 0) == 256 + 1024);
  Graph point;
  Net pixels(point, {.eager = true});
  pixels.expand(pixels.conv(pixels.input(TensorType::f32, 8, 8, 4), 16, 1));
  CHECK(eager_numbers(point, pixels.held()) == 256 + 1024);
  Graph layer;
  Net matrix(layer, {.eager = true});
  matrix.expand(matrix.linear(matrix.input(TensorType::f32, 32, 10), 64));
  CHECK(eager_numbers(layer, matrix.held()) == 320 + 640);
}

TEST_CASE("the decoder of an image in 16 bits takes 2.4 GiB at 1024 pixels, a quarter of it at 512")
{
  const auto numbers = [](std::uint32_t side) {
    Graph graph;
    Net net(graph, {.eager = true});
    build_image_decoder(net, {16, 8, 1, {1, 2, 2}}, {side, side, 1});
    return eager_numbers(graph, net.held());
  };
  // Where the last level begins, in tensors of 256 channels and 1024x1024 pixels: the enlarged one, its convolution, both again, and the
  // block's input (half) and the small one (a quarter) that callers keep: 4.75 of 512 MiB; beside them the latents.
  CHECK(2 * numbers(1024) == std::uint64_t{475} * 512 * 1048576 / 100 + 2 * 16 * 128 * 128);
  CHECK(4 * numbers(512) == numbers(1024));
}

TEST_CASE("casting to FP8 leaves norms and the scales inside them in 16 bits")
{
  const std::vector<NetWeight> weights{{WeightKind::matrix, 10, 10, 1},
                                       {WeightKind::kernel, 9, 10, 1},
                                       {WeightKind::scales, 10, 60, 1},
                                       {WeightKind::vector, 10, 1, 2}};
  CHECK(stored_bytes(weights, CheckpointType::fp8) == 100 + 90 + 1200 + 40);
  CHECK(stored_bytes(weights, CheckpointType::bf16) == 2 * 810);
  CHECK(stored_bytes(weights, CheckpointType::f32) == 4 * 810);
}
