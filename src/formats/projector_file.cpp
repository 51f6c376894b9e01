#include "canirun/formats/projector_file.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "gguf_header.hpp"

namespace canirun {

namespace {

/// A whole number of at most 2^20: what no encoder's shape reaches. 0 where the key is absent or something else.
std::uint64_t number(const GgufHeader& header, const std::string& key)
{
  const auto* value = header.find(key);
  if (!value || value->whole.empty()) return 0;
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(value->whole.front(), 0, std::int64_t{1} << 20));
}

std::string text(const GgufHeader& header, const std::string& key)
{
  const auto* value = header.find(key);
  return value ? value->string : "";
}

Tower tower_of(const GgufHeader& header, const std::string& modality)
{
  const auto key = "clip." + modality + ".";
  Tower t{.type = text(header, key + "projector_type"), .audio = modality == "audio"};
  if (t.type.empty()) t.type = text(header, "clip.projector_type");
  t.n_embd = number(header, key + "embedding_length");
  t.n_ff = number(header, key + "feed_forward_length");
  t.n_head = number(header, key + "attention.head_count");
  // Sides of more than 2^14 pixels or patches would leave 64 bits when squared twice.
  t.image_size = std::min<std::uint64_t>(number(header, key + "image_size"), 1U << 14U);
  t.patch_size = std::min<std::uint64_t>(number(header, key + "patch_size"), 1U << 10U);
  t.n_merge = std::min<std::uint64_t>(number(header, key + "spatial_merge_size"), 16);
  if (t.n_merge == 0) t.n_merge = std::min<std::uint64_t>(number(header, key + "projector.scale_factor"), 16);
  const auto prefix = t.audio ? "a.blk.0.ffn_gate" : "v.blk.0.ffn_gate";
  t.gated = std::ranges::any_of(header.tensors, [&](const FileTensor& x) { return x.name.starts_with(prefix); });
  for (const auto* window : {"n_wa_pattern", "wa_layer_indexes", "wa_pattern_mode"}) {
    if (header.find(key + window)) t.windowed = true;
  }
  return t;
}

}  // namespace

Result<Projector> read_projector(const std::filesystem::path& file)
{
  auto header = read_gguf_header(file);
  if (!header) return tl::unexpected(std::move(header.error()));
  const auto* arch = header->find("general.architecture");
  if (!arch || arch->string != "clip") {
    return fail(ErrorKind::parse, fmt::format("{}: this is no projector, its architecture is '{}' and not 'clip'", file.string(),
                                              arch ? arch->string : ""));
  }
  Projector projector{.file = file.string(), .tensors = {}, .towers = {}};
  for (const std::string modality : {"vision", "audio"}) {
    if (number(*header, "clip." + modality + ".embedding_length") > 0) projector.towers.push_back(tower_of(*header, modality));
  }
  projector.tensors = std::move(header->tensors);
  return projector;
}

}  // namespace canirun
