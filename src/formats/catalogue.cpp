#include "canirun/formats/catalogue.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "builtin_data.hpp"
#include "canirun/core/fnv1a.hpp"
#include "catalogue_entry.hpp"
#include "catalogue_index.hpp"
#include "data_file.hpp"
#include "name_index.hpp"

namespace canirun {

namespace {

/// An id or alias that two entries claim, as a sentence; nothing when all names lead to one entry.
std::optional<std::string> name_clash(const std::vector<CatalogueEntry>& entries)
{
  NameIndex names;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (const auto other = names.claim(entries[i].spec.id, i)) {
      return fmt::format("two models are called '{}' and '{}'", entries[*other].spec.id, entries[i].spec.id);
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (const auto& alias : entries[i].aliases) {
      if (const auto other = names.claim(alias, i)) {
        return fmt::format("'{}' names both '{}' and '{}'", alias, entries[*other].spec.id, entries[i].spec.id);
      }
    }
  }
  return {};
}

}  // namespace

Result<Catalogue> Catalogue::parse(std::string_view json, std::string_view file)
{
  Catalogue catalogue;
  catalogue.entries_.reserve(json.size() / 1024 + 1);  // an entry is about that long
  std::string problem;
  const auto read = read_list(json, file, "canirun.models/1", "models", [&](const JsonDocument& document, const JsonNode& item) {
    FieldReader reader(document);
    if (read_entry(reader, item, catalogue.entries_.emplace_back())) return true;
    problem = reader.problem();
    return false;
  });
  if (!read) return tl::unexpected(read.error());
  if (!problem.empty()) return fail(ErrorKind::parse, problem);
  if (const auto clash = name_clash(catalogue.entries_)) return fail(ErrorKind::parse, fmt::format("{}: {}", file, *clash));
  return catalogue;
}

Result<Catalogue> Catalogue::builtin() { return parse(builtin_models_json(), "data/models.json"); }

void Catalogue::merge(Catalogue other)
{
  NameIndex names;
  for (std::size_t i = 0; i < entries_.size(); ++i) names.claim(entries_[i].spec.id, i);
  for (auto& entry : other.entries_) {
    std::erase_if(entry.aliases, [](const std::string& alias) { return fold(alias).empty(); });
    if (const auto existing = names.claim(entry.spec.id, entries_.size())) {
      entries_[*existing] = std::move(entry);
    } else {
      entries_.push_back(std::move(entry));
    }
  }
  // The newest entry keeps a disputed name.
  NameIndex taken;
  for (std::size_t i = entries_.size(); i-- > 0;) {
    std::erase_if(entries_[i].aliases, [&](const std::string& alias) {
      const auto owner = names.find(alias);
      return (owner && *owner != i) || taken.claim(alias, i).has_value();
    });
  }
}

std::optional<Catalogue> Catalogue::builtin(std::span<const std::string> names)
{
  std::vector<std::uint32_t> versions;
  for (const auto& name : names) {
    Fnv1a hash;
    hash.add(fold(name));
    const auto all = indexed_names();
    const auto found = std::ranges::lower_bound(all, hash.value, {}, &IndexedName::hash);
    if (found == all.end() || found->hash != hash.value) return std::nullopt;
    versions.push_back(indexed_entries()[found->entry].versions);
  }
  std::string json = R"({"schema": "canirun.models/1", "models": [)";
  std::string_view separator;
  for (const auto& entry : indexed_entries()) {
    if (std::ranges::find(versions, entry.versions) == versions.end()) continue;
    json += separator;
    json += builtin_models_json().substr(entry.offset, entry.size);
    separator = ",";
  }
  auto some = parse(json + "]}", "data/models.json");
  return some ? std::optional(std::move(*some)) : std::nullopt;
}

Result<Catalogue> load_catalogue(const DataEnvironment& environment, std::span<const std::filesystem::path> extra)
{
  return load_data<Catalogue>(data_paths("models.json", environment, extra));
}

Result<Catalogue> load_catalogue(const DataEnvironment& environment, std::span<const std::filesystem::path> extra,
                                 std::span<const std::string> names)
{
  const auto paths = data_paths("models.json", environment, extra);
  if (!(paths.replaces && is_present(*paths.replaces)) && std::ranges::none_of(paths.additions, is_present)) {
    if (auto some = Catalogue::builtin(names)) return std::move(*some);
  }
  return load_data<Catalogue>(paths);
}

}  // namespace canirun
