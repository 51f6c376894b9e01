#pragma once

#include <array>
#include <string_view>

#include "canirun/formats/catalogue.hpp"
#include "read_fields.hpp"

/// \file
/// One entry of a catalogue, from JSON and to JSON.

namespace canirun {

/// Names of enumerations in the file; the position is the value of the enumerator.
inline constexpr auto k_kind_names = std::to_array<std::string_view>({"text", "embedding", "image", "video", "audio"});
inline constexpr auto k_confidence_names = std::to_array<std::string_view>({"exact", "recalled-exact", "published", "derived"});
inline constexpr auto k_precision_names = std::to_array<std::string_view>({"exact", "recalled", "published", "estimate"});
inline constexpr auto k_qk_norm_names = std::to_array<std::string_view>({"none", "per_head", "full_width", "per_head_each"});
inline constexpr auto k_out_gate_names = std::to_array<std::string_view>({"none", "full", "per_head", "separate"});
inline constexpr auto k_pooling_names = std::to_array<std::string_view>({"none", "mean", "cls", "last", "rank"});
inline constexpr auto k_ssm_kind_names = std::to_array<std::string_view>(
    {"none", "mamba1", "mamba2", "gated_delta", "kda", "shortconv", "rwkv6", "rwkv7", "lightning"});

/// Fills `entry` from one element of "models". False: `reader` has the problem.
bool read_entry(FieldReader& reader, const JsonNode& node, CatalogueEntry& entry);

}  // namespace canirun
