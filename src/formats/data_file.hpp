#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "canirun/core/result.hpp"
#include "canirun/formats/data_paths.hpp"
#include "json_tree.hpp"

/// \file
/// What the catalogue and the GPU table share: a JSON file with a schema name and one list, found along a list of paths.

namespace canirun {

/// A whole file; io errors name it. Files above 64 MiB are refused: nothing that people edit is that large.
Result<std::string> read_text(const std::filesystem::path& path);

struct DataList {
  JsonDocument document;
  const JsonNode* items = nullptr;
};

/// Checks `{"schema": SCHEMA, LIST: […]}` and returns the list.
Result<DataList> open_list(std::string_view json, std::string_view file, std::string_view schema, std::string_view list);

/// The same for a list whose elements are read once, in order, and not kept. When `visit` returns false nothing more is checked.
Result<void> read_list(std::string_view json, std::string_view file, std::string_view schema, std::string_view list,
                       const JsonDocument::Visit& visit);

/// True for a file that is to be read.
bool is_present(const DataFile& file);

/// The base and its additions, for a type with builtin(), parse(json, file) and merge(other).
template <typename T>
Result<T> load_data(const DataPaths& paths)
{
  const auto load = [](const DataFile& file) -> Result<T> {
    auto text = read_text(file.path);
    if (!text) return tl::unexpected(std::move(text.error()));
    return T::parse(*text, file.path.string());
  };
  auto data = paths.replaces && is_present(*paths.replaces) ? load(*paths.replaces) : T::builtin();
  for (const auto& file : paths.additions) {
    if (!data || !is_present(file)) continue;
    auto more = load(file);
    if (!more) return more;
    data->merge(std::move(*more));
  }
  return data;
}

}  // namespace canirun
