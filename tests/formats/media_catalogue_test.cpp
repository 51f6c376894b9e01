#include <fstream>
#include <nlohmann/json.hpp>

#include "canirun/core/evaluate.hpp"
#include "canirun/formats/catalogue.hpp"
#include "catch.hpp"
#include "diffusers_peak.hpp"
#include "media/parts.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

const Catalogue& builtin()
{
  static const auto k_catalogue = Catalogue::builtin();
  return *k_catalogue;
}

Figure figure(double value, std::string unit)
{
  Figure f;
  f.value = value;
  f.unit = std::move(unit);
  f.source = "test";
  return f;
}

/// A machine with one card of an RTX 3060's rates and this much memory, and 32 GiB of RAM.
HardwareProfile machine_with(Bytes vram)
{
  HardwareProfile machine;
  machine.memory.total = 32_GiB;
  machine.cpu.physical_cores = 8;
  machine.cpu.isa = {"avx2"};
  Gpu gpu;
  gpu.name = "card";
  gpu.vendor = "NVIDIA";
  gpu.backends = {"cuda"};
  gpu.architecture = "Ampere";
  gpu.from_table = true;
  gpu.memory_total = figure(static_cast<double>(vram.count), "B");
  gpu.bandwidth = figure(360e9, "B/s");
  gpu.fp16_tflops = figure(51, "TFLOP/s");
  machine.gpus = {gpu};
  return machine;
}

QuantReport sdxl_f16(Bytes vram)
{
  Question question;
  question.quants = {FileType::F16};
  const auto* entry = builtin().find("sdxl");
  const auto report = evaluate(entry->spec, entry->facts, machine_with(vram), question);
  REQUIRE(report.quants.size() == 1);
  return report.quants.front();
}

}  // namespace

TEST_CASE("SDXL at F16 runs well on 12 GiB and needs named settings on less")
{
  const auto large = sdxl_f16(24_GiB);
  CHECK(large.fits);
  CHECK(large.media->settings.empty());
  const auto roomy = sdxl_f16(12_GiB);
  CHECK(roomy.grade.letter >= Letter::A);
  CHECK(roomy.placement.mode == Placement::Mode::gpu);
  for (const auto vram : {8_GiB, 6_GiB, 4_GiB}) {
    const auto row = sdxl_f16(vram);
    CHECK(row.fits);
    CHECK_FALSE(row.media->settings.empty());
    CHECK(row.notes.front().starts_with("needs --"));
    CHECK(row.media->seconds->estimate >= roomy.media->seconds->estimate);
  }
}

TEST_CASE("every image, video and speech model of the catalogue has rows that say what they need")
{
  const auto machine = machine_with(16_GiB);
  std::size_t n = 0;
  for (const auto& entry : builtin().entries()) {
    if (entry.spec.kind == ModelKind::text || entry.spec.kind == ModelKind::embedding) continue;
    ++n;
    INFO(entry.spec.id);
    const auto report = evaluate(entry.spec, entry.facts, machine, {});
    REQUIRE(report.best);
    for (const auto& row : report.quants) {
      CHECK(row.file_bytes.count > 0);
      CHECK(row.memory.weights.count > 0);
      if (row.media && row.media->seconds) CHECK(row.media->seconds->estimate > 0);
    }
  }
  CHECK(n == 68);
}

TEST_CASE("shapes of replayed denoisers add up to the published parameters")
{
  for (const auto& entry : builtin().entries()) {
    const auto& media = entry.spec.media;
    if (!media || (!is_unet(entry.spec.arch) && transformer_known(entry.spec.arch, *media) != GraphKnown::replayed)) continue;
    INFO(entry.spec.id);
    const ImageModel model(entry.spec, {256, 256, 1}, Backend::cuda);
    const auto& denoiser = media->components.front();
    CHECK(static_cast<double>(model.declared_params()) == Approx(static_cast<double>(denoiser.n_params)).epsilon(0.011));
  }
}

TEST_CASE("shapes of estimated denoisers are near the published parameters")
{
  for (const auto& entry : builtin().entries()) {
    const auto& media = entry.spec.media;
    if (!media || transformer_known(entry.spec.arch, *media) != GraphKnown::estimated) continue;
    INFO(entry.spec.id);
    const ImageModel model(entry.spec, {256, 256, 1}, Backend::cuda);
    const auto tolerance = entry.spec.arch == "hyvid" ? 0.025 : 0.011;  // HunyuanVideo refines its text before the blocks
    CHECK(static_cast<double>(model.declared_params()) ==
          Approx(static_cast<double>(media->components.front().n_params)).epsilon(tolerance));
  }
}

TEST_CASE("HiDream and LTX-2 have every tensor of their sources")
{
  // diffusers: transformer_hidream_image.py, transformer_ltx2.py with the published configs; the totals agree with the published 17.1,
  // 18.88 and, with its connectors of 3.17, 22 billion.
  for (const auto* id : {"hidream-i1", "ltx-2-19b", "ltx-2.3-22b"}) {
    INFO(id);
    const auto* entry = builtin().find(id);
    REQUIRE(entry);
    const ImageModel model(entry->spec, {256, 256, 1}, Backend::cuda);
    CHECK(model.declared_params() == entry->spec.media->components.front().n_params);
  }
}

TEST_CASE("UNets, image decoders and weights are what stable-diffusion.cpp printed")
{
  std::ifstream in(CANIRUN_TEST_DIR "/data/media-buffers.jsonl");
  std::size_t n = 0;
  for (std::string line; std::getline(in, line);) {
    const auto record = nlohmann::json::parse(line);
    const auto* entry = builtin().find(record["model"].get<std::string>());
    REQUIRE(entry);
    const ImageShape image{record.value("width", 512u), record.value("height", 512u), record.value("frames", 1u)};
    const ImageModel model(entry->spec, image, parse_backend(record.value("backend", "cuda")).value_or(Backend::cuda));
    const std::string part = record["part"];
    INFO(line);
    std::uint64_t bytes = 0;
    double tolerance = 0.03;  // files of 2024 converted embedders too
    if (part == "denoiser") {
      bytes = model.denoiser_buffer(record.value("flash_attn", false));
      tolerance = is_unet(entry->spec.arch) ? 0.0001 : 0.17;
    } else if (part == "decoder" && !record.contains("direct")) {
      bytes = model.decoder_buffer(false);
      tolerance = entry->spec.kind == ModelKind::image ? 0.0001 : 0.3;
    } else if (record.contains("type")) {
      const auto parts = model.parts(*parse_tensor_type(record["type"].get<std::string>()));
      bytes = part == "denoiser weights"  ? parts.denoiser
              : part == "encoder weights" ? parts.encoders
              : part == "decoder weights" ? parts.decoder
                                          : parts.total();
    } else {
      continue;
    }
    ++n;
    tolerance = record.value("tolerance", tolerance);  // builds of 2024 had other buffers with flash attention
    CHECK(static_cast<double>(bytes) / 1048576 == Approx(record["mib"].get<double>()).epsilon(tolerance));
  }
  CHECK(n >= 20);
}

TEST_CASE("peaks of diffusers are what was measured, within 7 percent but for UNets on Pascal")
{
  std::ifstream in(CANIRUN_TEST_DIR "/data/diffusers-peaks.jsonl");
  std::size_t n = 0;
  for (std::string line; std::getline(in, line); ++n) {
    const auto record = nlohmann::json::parse(line);
    const auto* entry = builtin().find(record["model"].get<std::string>());
    REQUIRE(entry);
    INFO(line);
    const auto tolerance = record.value("tolerance", 0.07);
    CHECK(static_cast<double>(diffusers_peak(entry->spec, record)) / 1048576 ==
          Approx(record["mib"].get<double>()).epsilon(tolerance));
  }
  CHECK(n == 29);
}

TEST_CASE("each setting of diffusers takes no more of the GPU than the one before it")
{
  for (const auto& entry : builtin().entries()) {
    if (entry.spec.kind != ModelKind::image && entry.spec.kind != ModelKind::video) continue;
    INFO(entry.spec.id);
    nlohmann::json record{{"what", "run"}, {"width", 1024}, {"height", 1024}, {"frames", 33}};
    for (const auto* type : {"FP8", "BF16", "F16", "F32"}) {
      record["type"] = type;
      std::uint64_t last = ~std::uint64_t{0};
      for (const auto* setup : {"resident", "offload", "sequential"}) {
        record["setup"] = setup;
        const auto peak = diffusers_peak(entry.spec, record);
        CHECK(peak <= last);
        last = peak;
      }
    }
    record["setup"] = "resident";
    const auto peak = [&](const char* type) {
      record["type"] = type;
      return diffusers_peak(entry.spec, record);
    };
    CHECK(peak("BF16") <= peak("F16"));
    CHECK(peak("F16") <= peak("F32"));
  }
}
