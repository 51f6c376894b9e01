#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "canirun/core/evaluate.hpp"
#include "canirun/formats/catalogue.hpp"
#include "options.hpp"

namespace canirun {

/// A model to evaluate and what is known of it.
struct AskedModel {
  const ModelSpec* spec = nullptr;  ///< Points into the catalogue or into `ModelSet::files`.
  ModelFacts facts;
};

struct ModelSet {
  std::vector<std::unique_ptr<ModelSpec>> files;
  std::vector<AskedModel> subjects;
};

/// The models that the words and the selection name, in their order; none twice. No words and no selection: the whole catalogue
/// but what a newer version supersedes. Errors: not_found with suggestions, parse of a file.
Result<ModelSet> models_of(std::span<const std::string> words, const Selection& selection, const Catalogue& catalogue);

/// The entries that a selection names, in the catalogue's order; all of them where it names nothing. Errors: as models_of.
Result<std::vector<const CatalogueEntry*>> selected_entries(const Selection& selection, const Catalogue& catalogue);

/// The versions before and after an entry, oldest first, without it.
std::vector<const CatalogueEntry*> other_versions(const CatalogueEntry& entry, const Catalogue& catalogue);

/// True for a word that means a file, not a name of the catalogue.
bool is_file_name(const std::string& word);

/// The catalogue as far as `words`, which name models or files, and a selection need it.
Result<Catalogue> catalogue_for(std::span<const std::string> words, const Selection& selection, const DataEnvironment& environment,
                                const std::vector<std::string>& files);

/// A .gguf file, a config.json or a folder that holds one.
Result<ModelSpec> read_model_file(const std::string& path);

/// The catalogue's entry, or not_found with the nearest names.
Result<const CatalogueEntry*> find_entry(const std::string& word, const Catalogue& catalogue);

}  // namespace canirun
