#include "canirun/formats/projector_file.hpp"

#include "catch.hpp"
#include "gguf_writer.hpp"

using namespace canirun;

namespace {

GgufWriter file_of(const char* arch)
{
  GgufWriter w;
  w.string("general.architecture", arch);
  w.f32_tensor("v.patch_embd.bias", {5});
  w.tensor("mm.0.weight", {96, 64}, 8, 96 / 32 * 34 * 64);
  return w;
}

}  // namespace

TEST_CASE("a projector's weights are its tensors, padded as the backend pads them", "[projector]")
{
  const TemporaryFolder folder;
  file_of("clip").write(folder / "mmproj.gguf");
  const auto projector = read_projector(folder / "mmproj.gguf");
  REQUIRE(projector);
  CHECK(projector->file == (folder / "mmproj.gguf").string());
  CHECK(projector->towers.empty());
  CHECK(projector_weights(*projector, Backend::cpu).count == 32 + 6528);
  // CUDA: 5 numbers take 128 bytes; the matrix has a tail of 512 - 96 weights: 6528 + 13 * 34 = 6970, which is 7040 padded.
  CHECK(projector_weights(*projector, Backend::cuda).count == 128 + 7040);
}

TEST_CASE("a language model is no projector", "[projector]")
{
  const TemporaryFolder folder;
  file_of("llama").write(folder / "model.gguf");
  const auto projector = read_projector(folder / "model.gguf");
  REQUIRE_FALSE(projector);
  CHECK(projector.error().kind == ErrorKind::parse);
  CHECK(projector.error().message.ends_with("model.gguf: this is no projector, its architecture is 'llama' and not 'clip'"));
}

TEST_CASE("a projector's compute buffer bounds what llama.cpp reserves", "[projector]")
{
  // What clip.cpp printed: Gemma 3 in llama.cpp pull request 16837, the others in gpustack/gguf-parser-go issue 44.
  struct Measured {
    Tower tower;
    double off, on;  ///< MiB
  };
  const auto tower = [](const char* type, std::uint64_t n_embd, std::uint64_t n_ff, std::uint64_t side, std::uint64_t patch) {
    return Tower{.type = type, .n_embd = n_embd, .n_ff = n_ff, .n_head = 16, .image_size = side, .patch_size = patch};
  };
  auto qwen25 = tower("qwen2.5vl_merger", 1280, 3420, 560, 14);
  qwen25.gated = qwen25.windowed = true;
  for (const auto& [t, off, on] : {Measured{tower("gemma3", 1152, 4304, 896, 14), 1132, 121.25},
                                   Measured{tower("qwen2vl_merger", 1280, 5120, 560, 14), 4598, 267}, Measured{qwen25, 4872, 705},
                                   Measured{tower("qwen3vl_merger", 1152, 4304, 768, 16), 4728, 323}}) {
    const Projector projector{.file = "m", .tensors = {}, .towers = {t}};
    const auto mib = [&](bool flash_attn) {
      return static_cast<double>(projector_bytes(projector, {}, Backend::cuda, flash_attn).compute.count) / 1048576;
    };
    CAPTURE(t.type, mib(true), mib(false));
    CHECK(mib(true) >= on);
    CHECK(mib(true) <= on + 110);
    CHECK(mib(false) >= off * 0.99);
    CHECK(mib(false) <= off + 320);
  }
  const Projector gemma{.file = "m", .tensors = {}, .towers = {tower("gemma3", 1152, 4304, 896, 14)}};
  CHECK(projector_bytes(gemma, {}, Backend::cuda, true).image.count == 896 * 896 * 3 * 4);  // 9.19 MiB of RAM
}

TEST_CASE("shapes of an encoder come from its keys", "[projector]")
{
  const TemporaryFolder folder;
  auto w = file_of("clip");
  w.string("clip.projector_type", "gemma3");
  w.u32("clip.vision.embedding_length", 1152);
  w.u32("clip.vision.feed_forward_length", 4304);
  w.u32("clip.vision.attention.head_count", 16);
  w.u32("clip.vision.image_size", 896);
  w.u32("clip.vision.patch_size", 0xFFFFFFFF);  // hostile: kept within what is computed with
  w.write(folder / "mmproj.gguf");
  const auto projector = read_projector(folder / "mmproj.gguf");
  REQUIRE(projector);
  REQUIRE(projector->towers.size() == 1);
  const auto& t = projector->towers.front();
  CHECK(t.type == "gemma3");
  CHECK((t.n_embd == 1152 && t.n_ff == 4304 && t.n_head == 16 && t.image_size == 896 && !t.audio && !t.gated && !t.windowed));
  CHECK(t.patch_size == 1024);
}
