#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/evaluate.hpp"
#include "canirun/core/media.hpp"
#include "canirun/core/model.hpp"
#include "canirun/core/result.hpp"
#include "canirun/formats/data_paths.hpp"

/// \file
/// The catalogue `data/models.json` (canirun.models/1): compiled in, extended or overridden by files (docs/catalogue.md).

namespace canirun {

/// One entry as the file has it, and the spec made of it. `spec.arch` is empty where no architecture is known.
struct CatalogueEntry {
  ModelSpec spec;
  ModelFacts facts;
  std::vector<std::string> aliases;
  std::vector<std::string> input;  ///< "text", "image", "audio", "video".
  std::string supersedes;  ///< Id of the version before it, of the same family and size.
  Confidence confidence = Confidence::exact;
  std::vector<std::string> sources;
  std::string notes;
  std::string checked;  ///< Date of the last comparison with its sources, YYYY-MM-DD.
};

class Catalogue {
 public:
  /// The catalogue compiled into the program.
  static Result<Catalogue> builtin();
  /// Of it the entries that ids or aliases name, and all versions of them; nothing where a name is neither.
  static std::optional<Catalogue> builtin(std::span<const std::string> names);
  /// Parses a whole file; `file` names it in messages (file, position, entry, field).
  static Result<Catalogue> parse(std::string_view json, std::string_view file);
  /// Entries of `other` are added; those with an id that exists replace it, and a name of theirs wins over an older entry's alias.
  void merge(Catalogue other);

  std::span<const CatalogueEntry> entries() const { return entries_; }
  /// By id, alias, Hugging Face repository or its last part, Ollama tag; case and punctuation folded; then the same without the
  /// suffixes of published variants ("-instruct", "-chat", "-it", "-hf", "-gguf", ":latest", a file type).
  const CatalogueEntry* find(std::string_view name) const;
  /// Up to `limit` ids that look most like `name`, nearest first; empty when nothing is near.
  std::vector<std::string> suggest(std::string_view name, std::size_t limit = 3) const;

 private:
  std::vector<CatalogueEntry> entries_;
};

/// The whole catalogue: compiled in or replaced, then each addition. A file that is wrong is an error, nothing of it is used.
Result<Catalogue> load_catalogue(const DataEnvironment& environment, std::span<const std::filesystem::path> extra);
/// What a question about these names alone needs of it: `find` and the versions of what it finds are those of the whole.
Result<Catalogue> load_catalogue(const DataEnvironment& environment, std::span<const std::filesystem::path> extra,
                                 std::span<const std::string> names);

/// One thing that is wrong with an entry of a catalogue file.
struct Finding {
  std::string file;
  std::string entry;  ///< Its id, or "" for the file as a whole.
  std::string field;
  std::string message;
};

/// Everything that is wrong with a catalogue file, not only the first: schema, arithmetic, duplicates, unknown architectures.
/// The arithmetic compares n_params of an exact entry with what its shapes add up to.
std::vector<Finding> validate_catalogue(std::string_view json, std::string_view file);

/// The entry as it stands in `data/models.json`, indented by four spaces, without a comma after it.
std::string to_catalogue_json(const CatalogueEntry& entry);

/// A catalogue entry for a model read from config.json or a GGUF file: what the file says, and marks where a person must add facts.
CatalogueEntry import_entry(ModelSpec spec, std::string_view source);

/// Lower case, letters and digits only: "Llama-3.1:8B" → "llama318b"; how names are compared everywhere.
std::string fold(std::string_view text);

}  // namespace canirun
