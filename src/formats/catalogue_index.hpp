#pragma once

#include <cstdint>
#include <span>

/// \file
/// Where the entries of the compiled-in catalogue stand, by name, so that a question about one model reads that model and its versions
/// and not all. Made at build (make_catalogue_index.cpp).

namespace canirun {

struct IndexedEntry {
  std::uint32_t offset = 0, size = 0;  ///< In the text, from bracket to bracket.
  std::uint32_t versions = 0;          ///< Equal for entries that follow one another by `supersedes`.
};

/// An id or an alias.
struct IndexedName {
  std::uint64_t hash = 0;  ///< FNV-1a of the folded name.
  std::uint32_t entry = 0;
};

/// In the order of the file.
std::span<const IndexedEntry> indexed_entries();
/// By hash.
std::span<const IndexedName> indexed_names();

}  // namespace canirun
