#include "canirun/formats/gguf.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include <fmt/core.h>

#include "gguf_header.hpp"
#include "gguf_spec.hpp"

namespace canirun {

namespace {

constexpr std::uint32_t k_max_parts = 4096;

/// "model-00002-of-00005.gguf" (llama.cpp: llama_split_path).
struct SplitName {
  std::string stem;
  std::uint32_t part = 0;  ///< From 1.
  std::uint32_t count = 0;
};

std::optional<SplitName> parse_split_name(const std::string& name)
{
  constexpr std::string_view k_shape = "-00000-of-00000.gguf";
  if (name.size() <= k_shape.size()) return {};
  const std::string_view tail = std::string_view(name).substr(name.size() - k_shape.size());
  SplitName split{name.substr(0, name.size() - k_shape.size()), 0, 0};
  const auto number = [](std::string_view digits, std::uint32_t& out) {
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return status == std::errc{} && end == digits.data() + digits.size();
  };
  const bool matches = tail[0] == '-' && tail.substr(6, 4) == "-of-" && tail.substr(15) == ".gguf" &&
                       number(tail.substr(1, 5), split.part) && number(tail.substr(10, 5), split.count);
  return matches ? std::optional(split) : std::nullopt;
}

std::uint32_t split_count(const GgufHeader& header)
{
  const auto* count = header.find("split.count");
  return count && count->whole.size() == 1 && count->whole[0] > 1 && count->whole[0] <= UINT16_MAX
             ? static_cast<std::uint32_t>(count->whole[0])
             : 1;
}

/// The part that a header says it is, from 0.
std::int64_t split_number(const GgufHeader& header)
{
  const auto* number = header.find("split.no");
  return number && number->whole.size() == 1 ? number->whole[0] : 0;
}

/// The first part with the tensors of all others. `file` is any of them, `first` its header.
Result<GgufHeader> read_all_parts(const std::filesystem::path& file, GgufHeader header, std::uint32_t count)
{
  const auto name = parse_split_name(file.filename().string());
  if (!name) {
    return fail(ErrorKind::parse, fmt::format("{}: this is a part of {}, but its name does not end in -00001-of-{:05}.gguf",
                                              file.string(), count, count));
  }
  if (name->count != count) {
    return fail(ErrorKind::parse,
                fmt::format("{}: the name says {} parts, the key 'split.count' says {}", file.string(), name->count, count));
  }
  if (count > k_max_parts)
    return fail(ErrorKind::parse, fmt::format("{}: {} parts are more than {}", file.string(), count, k_max_parts));
  GgufHeader whole;
  std::unordered_set<std::string> names;
  for (std::uint32_t part = 1; part <= count; ++part) {
    const auto path = file.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", name->stem, part, count);
    // NOLINTNEXTLINE(bugprone-use-after-move): the part that was read comes once
    auto opened = part == name->part ? Result<GgufHeader>(std::move(header)) : read_gguf_header(path);
    if (!opened) {
      if (opened.error().kind != ErrorKind::io) return opened;
      return fail(ErrorKind::io, fmt::format("part {} of {} is missing: {}", part, count, opened.error().message));
    }
    if (split_number(*opened) != part - 1 || split_count(*opened) != count) {
      return fail(ErrorKind::parse, fmt::format("{}: this is not part {} of {}, its keys say part {} of {}", path.string(), part,
                                                count, split_number(*opened) + 1, split_count(*opened)));
    }
    for (const auto& t : opened->tensors) {
      if (!names.insert(t.name).second)
        return fail(ErrorKind::parse, fmt::format("{}: tensor '{}' is in an earlier part too", path.string(), t.name));
    }
    if (part == 1) {
      whole = std::move(*opened);
    } else {
      whole.file_bytes += opened->file_bytes;
      if (whole.tensors.size() + opened->tensors.size() > 131072) {
        return fail(ErrorKind::parse, fmt::format("{}: the parts have more tensors than any model", path.string()));
      }
      std::ranges::move(opened->tensors, std::back_inserter(whole.tensors));
    }
  }
  if (const auto* n = whole.find("split.tensors.count");
      n && (n->whole.size() != 1 || n->whole[0] != std::ssize(whole.tensors))) {
    return fail(ErrorKind::parse,
                fmt::format("{}: offset {}: key 'split.tensors.count' does not match the {} tensors of all parts", file.string(),
                            n->offset, whole.tensors.size()));
  }
  return whole;
}

}  // namespace

Result<ModelSpec> read_gguf(const std::filesystem::path& file)
{
  auto header = read_gguf_header(file);
  if (!header) return tl::unexpected(std::move(header.error()));
  if (const auto count = split_count(*header); count > 1) {
    header = read_all_parts(file, std::move(*header), count);
    if (!header) return tl::unexpected(std::move(header.error()));
  }
  const auto file_bytes = header->file_bytes;
  auto spec = spec_from_gguf(std::move(*header), file.string());
  if (!spec) return spec;
  spec->file_bytes = file_bytes;
  spec->id = file.stem().string();
  if (spec->name.empty()) spec->name = spec->id;
  return spec;
}

}  // namespace canirun
