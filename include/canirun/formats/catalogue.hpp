#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/evaluate.hpp"
#include "canirun/core/model.hpp"
#include "canirun/core/result.hpp"

/// \file
/// The catalogue `data/models.json` (canirun.models/1): compiled in, extended or overridden by files.

namespace canirun {

/// One entry as the file has it, and the spec made of it. `spec.arch` is empty for kinds without a llama.cpp architecture.
struct CatalogueEntry {
  ModelSpec spec;
  ModelFacts facts;
  std::vector<std::string> aliases;
  std::string hf_repo;
  std::string ollama;
  Confidence confidence = Confidence::exact;
  std::vector<std::string> sources;
};

class Catalogue {
 public:
  /// The catalogue compiled into the program. Entries are parsed when they are first asked for.
  static Result<Catalogue> builtin();
  /// Parses a whole file; `file` names it in messages (file, position, entry, field).
  static Result<Catalogue> parse(std::string_view json, std::string_view file);
  /// Entries of `other` are added; those with an id that exists replace it.
  void merge(Catalogue other);

  std::span<const CatalogueEntry> entries() const { return entries_; }
  /// By id, alias, Hugging Face repository or its last part, Ollama tag; case and punctuation folded.
  const CatalogueEntry* find(std::string_view name) const;
  /// Up to `limit` ids that look most like `name`, nearest first; empty when nothing is near.
  std::vector<std::string> suggest(std::string_view name, std::size_t limit = 3) const;

 private:
  std::vector<CatalogueEntry> entries_;
};

/// Lower case, letters and digits only: "Llama-3.1:8B" → "llama318b"; how names are compared everywhere.
std::string fold(std::string_view text);

}  // namespace canirun
