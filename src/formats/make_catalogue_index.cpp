// make_catalogue_index FILE OUT: writes the index of data/models.json as a source file (catalogue_index.hpp). Part of the build.
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "canirun/core/fnv1a.hpp"
#include "canirun/formats/catalogue.hpp"
#include "catalogue_index.hpp"
#include "data_file.hpp"

using namespace canirun;

namespace {

int stop(const std::string& message)
{
  fmt::print(stderr, "make_catalogue_index: {}\n", message);
  return 1;
}

std::uint64_t hash_of(std::string_view name)
{
  Fnv1a hash;
  hash.add(fold(name));
  return hash.value;
}

/// Sets that grow together; each is named by its first member.
class Groups {
 public:
  explicit Groups(std::size_t n) : first_(n) { std::iota(first_.begin(), first_.end(), 0u); }
  std::uint32_t of(std::uint32_t i) const { return first_[i] == i ? i : of(first_[i]); }
  void join(std::uint32_t a, std::uint32_t b)
  {
    const auto [low, high] = std::minmax({of(a), of(b)});
    first_[high] = low;
  }

 private:
  std::vector<std::uint32_t> first_;
};

}  // namespace

int main(int argc, char** argv)
{
  if (argc != 3) return stop("usage: make_catalogue_index FILE OUT");
  const auto text = read_text(argv[1]);
  if (!text) return stop(text.error().message);
  const auto list = open_list(*text, argv[1], "canirun.models/1", "models");
  if (!list) return stop(list.error().message);
  const auto& document = list->document;

  std::vector<IndexedEntry> entries;
  std::map<std::uint64_t, std::uint32_t> names;
  std::vector<std::string_view> supersedes;
  for (const auto* item = document.first(*list->items); item; item = document.next(*item)) {
    const auto* next = document.next(*item);
    const auto end = text->rfind('}', next ? next->offset : text->rfind(']')) + 1;
    const auto index = static_cast<std::uint32_t>(entries.size());
    entries.push_back({item->offset, static_cast<std::uint32_t>(end - item->offset), index});
    const auto* older = document.find(*item, "supersedes");
    supersedes.push_back(older ? older->string : std::string_view{});
    std::vector<std::string_view> own;
    if (const auto* id = document.find(*item, "id")) own.push_back(id->string);
    if (const auto* aliases = document.find(*item, "aliases")) {
      for (const auto* alias = document.first(*aliases); alias; alias = document.next(*alias)) own.push_back(alias->string);
    }
    for (const auto name : own) {
      const auto [known, added] = names.emplace(hash_of(name), index);
      if (!added && known->second != index) return stop(fmt::format("'{}' names two entries", name));
    }
  }
  Groups versions(entries.size());
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    if (const auto older = names.find(hash_of(supersedes[i])); older != names.end()) versions.join(i, older->second);
  }

  std::ofstream out(argv[2]);
  out << "#include \"catalogue_index.hpp\"\n\nnamespace canirun {\nnamespace {\nconstexpr IndexedEntry k_entries[] = {\n";
  for (std::uint32_t i = 0; i < entries.size(); ++i) out << fmt::format("{{{}, {}, {}}},\n", entries[i].offset, entries[i].size, versions.of(i));
  out << "};\nconstexpr IndexedName k_names[] = {\n";
  for (const auto& [hash, entry] : names) out << fmt::format("{{{:#x}, {}}},\n", hash, entry);
  out << "};\n}  // namespace\nstd::span<const IndexedEntry> indexed_entries() { return k_entries; }\n"
         "std::span<const IndexedName> indexed_names() { return k_names; }\n}  // namespace canirun\n";
  out.close();
  return out ? 0 : stop(fmt::format("cannot write {}", argv[2]));
}
