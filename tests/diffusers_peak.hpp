#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "media/parts.hpp"

/// \file
/// What the estimate has for a record of tests/data/diffusers-peaks.jsonl: model, type, width, height, frames and `what`: "weights" once
/// they are loaded, "denoiser" (its weights and one evaluation), or "run" under a `setup`: resident, tiled, offload, sequential.

namespace canirun {

inline bool is_pascal(const nlohmann::json& record)
{
  const auto gpu = record.value("gpu", "");
  return gpu == "P100" || gpu == "GTX 1070";
}

/// Bytes of the largest of the stages: what stays, what the stage uploads, what it computes with.
inline std::uint64_t diffusers_peak(const ModelSpec& spec, const nlohmann::json& record)
{
  const ImageModel model(spec, {record["width"], record["height"], record.value("frames", 1u)}, Backend::cuda,
                         is_pascal(record) ? Account::eager_plain : Account::eager);
  const auto parts = model.parts(*parse_checkpoint_type(record["type"].get<std::string>()));
  const std::string what = record["what"], name = record.value("setup", "");
  if (what == "weights") return parts.total();
  const Setup setup{.tiled = name == "tiled", .offload = name != "resident" && name != "tiled", .stream = name == "sequential"};
  const auto buffers = model.buffers(setup, parts);
  if (what == "denoiser") return parts.expert + buffers[1] / model.batch();
  const std::array<std::uint64_t, 3> stage{parts.encoders, parts.expert, parts.decoder};
  std::uint64_t peak = 0;
  for (std::size_t i = 0; i < stage.size(); ++i) {
    const auto weights = setup.stream ? parts.kept + parts.streamed[i] : setup.offload ? parts.kept + stage[i] : parts.total();
    peak = std::max(peak, weights + buffers[i]);
  }
  return peak;
}

}  // namespace canirun
