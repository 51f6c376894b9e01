// media_check FILE: buffers and weights of image and video models against what stable-diffusion.cpp printed.
//
// Each line is a JSON object: model, part ("denoiser", "decoder": compute buffers; "denoiser weights" …), mib, and of a buffer width,
// height, frames, flash_attn, direct (--vae-conv-direct), of weights type. A record with `what` is a peak of diffusers (tests/diffusers_peak.hpp).
// Prints the estimate beside it and the error.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "canirun/formats/catalogue.hpp"
#include "diffusers_peak.hpp"
#include "media/parts.hpp"

namespace {

using namespace canirun;
using json = nlohmann::json;

double decoder_mib(const ImageModel& model, const MediaSpec& media, const ImageShape& image, bool direct, Backend backend)
{
  if (!direct) return static_cast<double>(model.decoder_buffer(false));
  Graph graph;
  Net net(graph, {.direct_conv = true, .backend = backend});
  build_image_decoder(net, *media.latent, image);
  return static_cast<double>(buffer_bytes(graph, backend));
}

double estimate(const ModelSpec& spec, const json& record)
{
  if (record.contains("what")) return static_cast<double>(diffusers_peak(spec, record));
  const ImageShape image{record.value("width", 512u), record.value("height", 512u), record.value("frames", 1u)};
  const auto backend = parse_backend(record.value("backend", "cuda")).value_or(Backend::cuda);
  const ImageModel model(spec, image, backend);
  const std::string part = record["part"];
  if (part == "denoiser") return static_cast<double>(model.denoiser_buffer(record.value("flash_attn", false)));
  if (part == "decoder") return decoder_mib(model, *spec.media, image, record.value("direct", false), backend);
  const auto type = parse_tensor_type(record["type"].get<std::string>()).value_or(TensorType::f16);
  const auto parts = model.parts(type);
  if (part == "denoiser weights") return static_cast<double>(parts.denoiser);
  if (part == "encoder weights") return static_cast<double>(parts.encoders);
  if (part == "decoder weights") return static_cast<double>(parts.decoder);
  return static_cast<double>(parts.total());
}

}  // namespace

int main(int argc, char** argv)
{
  if (argc != 2) {
    fmt::print(stderr, "media_check: name one file of records, such as tests/data/media-buffers.jsonl\n");
    return 2;
  }
  const auto catalogue = canirun::Catalogue::builtin();
  std::ifstream in(argv[1]);
  if (!in || !catalogue) {
    fmt::print(stderr, "media_check: {} cannot be read\n", argv[1]);
    return 2;
  }
  fmt::print("{:<20} {:<22} {:<18} {:>10} {:>10} {:>8}\n", "model", "part", "at", "printed", "estimate", "error");
  std::vector<double> errors;
  for (std::string line; std::getline(in, line);) {
    const auto record = json::parse(line);
    const auto* entry = catalogue->find(record["model"].get<std::string>());
    if (!entry) continue;
    const double printed = record["mib"], mib = estimate(entry->spec, record) / 1048576;
    const auto error = 100 * (mib / printed - 1);
    errors.push_back(std::abs(error));
    const auto at =
        record.contains("what")
            ? fmt::format("{}x{} {}", record["width"].get<int>(), record["height"].get<int>(), record["gpu"].get<std::string>())
        : record.contains("type")
            ? record["type"].get<std::string>()
            : fmt::format("{}x{}{}{}", record["width"].get<int>(), record["height"].get<int>(),
                          record.value("flash_attn", false) ? " fa" : "", record.value("direct", false) ? " direct" : "");
    const auto part = record.contains("what") ? fmt::format("{} {} {}", record["type"].get<std::string>(),
                                                            record["what"].get<std::string>(), record.value("setup", ""))
                                              : record["part"].get<std::string>();
    fmt::print("{:<20} {:<22} {:<18} {:>10.2f} {:>10.2f} {:>7.2f}%\n", entry->spec.id, part, at, printed, mib, error);
  }
  std::ranges::sort(errors);
  if (!errors.empty()) {
    fmt::print("{} records, median error {:.2f} %, largest {:.2f} %\n", errors.size(), errors[errors.size() / 2], errors.back());
  }
  fmt::print("\nparameters by shapes against the catalogue\n");
  for (const auto& e : catalogue->entries()) {
    if (e.spec.kind != canirun::ModelKind::image && e.spec.kind != canirun::ModelKind::video) continue;
    const canirun::ImageModel model(e.spec, {512, 512, 1}, canirun::Backend::cuda);
    const auto n = model.declared_params();
    for (const auto& c : e.spec.media->components) {
      if (n == 0 || (c.role != "unet" && c.role != "transformer")) continue;
      fmt::print("{:<20} {:>14} {:>14} {:>7.2f}%\n", e.spec.id, c.n_params, n,
                 100 * (static_cast<double>(n) / static_cast<double>(c.n_params) - 1));
    }
  }
}
