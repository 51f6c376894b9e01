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
  CHECK(projector->name == "mmproj");
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
