#include "data_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/core.h>

namespace canirun {

Result<std::string> read_text(const std::filesystem::path& path)
{
  constexpr std::size_t k_max = std::size_t{64} << 20;
  std::error_code status;
  if (std::filesystem::is_directory(path, status)) {
    return fail(ErrorKind::io, fmt::format("cannot read '{}': it is a directory", path.string()));
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(ErrorKind::io, fmt::format("cannot read '{}': {}", path.string(), std::strerror(errno)));
  std::string text;
  char block[1 << 16];
  while (in.read(block, sizeof block) || in.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(in.gcount()));
    if (text.size() > k_max) return fail(ErrorKind::parse, fmt::format("'{}' is larger than 64 MiB", path.string()));
  }
  if (in.bad()) return fail(ErrorKind::io, fmt::format("cannot read '{}': {}", path.string(), std::strerror(errno)));
  return text;
}

namespace {

/// `{"schema": SCHEMA, LIST: […]}` and nothing beside: the list.
Result<const JsonNode*> list_of(const JsonDocument& doc, std::string_view schema, std::string_view list)
{
  const auto& root = doc.root();
  if (root.kind != JsonKind::object)
    return fail(ErrorKind::parse, fmt::format("{}: an object is expected at the top", doc.where(root)));
  const auto* name = doc.find(root, "schema");
  if (!name || name->kind != JsonKind::string || name->string != schema) {
    return fail(ErrorKind::parse,
                fmt::format("{}: \"schema\": \"{}\" is expected{}", doc.where(name ? *name : root), schema,
                            name && name->kind == JsonKind::string ? fmt::format(", not '{}'", name->string) : ""));
  }
  const auto* items = doc.find(root, list);
  if (!items || items->kind != JsonKind::array) {
    return fail(ErrorKind::parse, fmt::format("{}: a list \"{}\" is expected", doc.where(items ? *items : root), list));
  }
  for (const auto* member = doc.first(root); member; member = doc.next(*member)) {
    if (member != name && member != items) {
      return fail(ErrorKind::parse,
                  fmt::format("{}: field '{}' is unknown beside \"schema\" and \"{}\"", doc.where(*member), member->key, list));
    }
  }
  return items;
}

}  // namespace

Result<DataList> open_list(std::string_view json, std::string_view file, std::string_view schema, std::string_view list)
{
  auto document = JsonDocument::parse(json, file);
  if (!document) return tl::unexpected(std::move(document.error()));
  DataList opened{std::move(*document), nullptr};
  const auto items = list_of(opened.document, schema, list);
  if (!items) return tl::unexpected(items.error());
  opened.items = *items;
  return opened;
}

Result<void> read_list(std::string_view json, std::string_view file, std::string_view schema, std::string_view list,
                       const JsonDocument::Visit& visit)
{
  bool stopped = false;
  const auto document = JsonDocument::parse(json, file, list, [&](const JsonDocument& doc, const JsonNode& item) {
    stopped = !visit(doc, item);
    return !stopped;
  });
  if (!document) return tl::unexpected(document.error());
  if (stopped) return {};
  const auto items = list_of(*document, schema, list);
  if (!items) return tl::unexpected(items.error());
  return {};
}

bool is_present(const DataFile& file)
{
  std::error_code ignored;
  return file.required || std::filesystem::exists(file.path, ignored);
}

DataPaths data_paths(std::string_view name, const DataEnvironment& environment, std::span<const std::filesystem::path> extra)
{
  DataPaths paths;
  if (!environment.data_dir.empty()) paths.replaces = DataFile{std::filesystem::path(environment.data_dir) / name, false};
  if (!environment.xdg_config_home.empty()) {
    paths.additions.push_back({std::filesystem::path(environment.xdg_config_home) / "canirun" / name, false});
  } else if (!environment.home.empty()) {
    paths.additions.push_back({std::filesystem::path(environment.home) / ".config" / "canirun" / name, false});
  }
  for (const auto& file : extra) paths.additions.push_back({file, true});
  return paths;
}

}  // namespace canirun
