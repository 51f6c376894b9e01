#include "models.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <set>

#include "canirun/formats/config_json.hpp"
#include "canirun/formats/gguf.hpp"
#include "command_info.hpp"
#include "formats/edit_distance.hpp"
#include "output.hpp"

namespace canirun {

namespace {

bool has_any(const std::vector<std::string>& values, const std::vector<std::string>& wanted)
{
  return std::ranges::any_of(values, [&](const std::string& v) {
    return std::ranges::any_of(wanted, [&](const std::string& w) { return fold(v) == fold(w); });
  });
}

bool selected(const CatalogueEntry& e, const Selection& s)
{
  if (s.pictures && e.spec.kind != ModelKind::image && e.spec.kind != ModelKind::video) return false;
  if (!s.tasks.empty() && !has_any(e.facts.tasks, s.tasks)) return false;
  if (!s.families.empty() && !has_any({e.facts.family, e.spec.arch}, s.families)) return false;
  if (!s.providers.empty() && !has_any({e.facts.provider}, s.providers)) return false;
  if (!s.licenses.empty() && !has_any({e.facts.license}, s.licenses)) return false;
  if (e.spec.n_params < s.min_params || e.spec.n_params > s.max_params || e.facts.release < s.since) return false;
  if (s.search.empty()) return true;
  const auto text = fold(s.search);
  return fold(e.spec.id).find(text) != std::string::npos || fold(e.spec.name).find(text) != std::string::npos;
}

/// A task or family that no entry has is a mistake, not an empty list.
Result<void> check_selection(const Selection& s, const Catalogue& catalogue)
{
  std::set<std::string> tasks, families, providers, licenses;
  for (const auto& e : catalogue.entries()) {
    tasks.insert(e.facts.tasks.begin(), e.facts.tasks.end());
    families.insert({e.facts.family, e.spec.arch});
    providers.insert(e.facts.provider);
    licenses.insert(e.facts.license);
  }
  const auto known = [](const std::set<std::string>& names, const std::string& wanted) {
    return std::ranges::any_of(names, [&](const std::string& n) { return fold(n) == fold(wanted); });
  };
  for (const auto& p : s.providers) {
    if (!known(providers, p))
      return fail(ErrorKind::not_found, fmt::format("no model comes from '{}'; choose one of {}", p, fmt::join(providers, ", ")));
  }
  for (const auto& l : s.licenses) {
    if (!known(licenses, l))
      return fail(ErrorKind::not_found,
                  fmt::format("no model has the licence '{}'; choose one of {}", l, fmt::join(licenses, ", ")));
  }
  for (const auto& t : s.tasks) {
    if (!known(tasks, t))
      return fail(ErrorKind::not_found,
                  fmt::format("no model is for the task '{}'; choose one of {}", t, fmt::join(tasks, ", ")));
  }
  for (const auto& f : s.families) {
    if (known(families, f)) continue;
    const auto near = nearest(f, families);
    return fail(ErrorKind::not_found, fmt::format("no model is of the family '{}'{}", f,
                                                  near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
  }
  return {};
}

/// The models of a catalogue file of the user's own; none when it is another kind of file.
Result<std::vector<CatalogueEntry>> entries_of(const std::string& path)
{
  std::vector<CatalogueEntry> entries;
  if (!path.ends_with(".json")) return entries;
  const auto text = read_input(path);
  if (!text) return tl::unexpected(text.error());
  if (text->find("\"canirun.models/") == std::string::npos) return entries;
  auto own = Catalogue::parse(*text, path);
  if (!own) return tl::unexpected(own.error());
  entries.assign(own->entries().begin(), own->entries().end());
  return entries;
}

}  // namespace

bool is_file_name(const std::string& word)
{
  return word.ends_with(".gguf") || word.ends_with(".GGUF") || word.ends_with(".json") || word.starts_with("./") ||
         word.starts_with("../") || word.starts_with("/");
}

Result<Catalogue> catalogue_for(std::span<const std::string> words, const Selection& selection, const DataEnvironment& environment,
                                const std::vector<std::string>& files)
{
  const std::vector<std::filesystem::path> extra(files.begin(), files.end());
  if (words.empty() || selection.any()) return load_catalogue(environment, extra);
  std::vector<std::string> names;
  std::ranges::remove_copy_if(words, std::back_inserter(names), is_file_name);
  return load_catalogue(environment, extra, names);
}

Result<ModelSpec> read_model_file(const std::string& path)
{
  if (path.ends_with(".gguf") || path.ends_with(".GGUF")) {
    auto spec = read_gguf(path);
    if (spec && spec->tensors.empty()) {
      return fail(ErrorKind::parse,
                  fmt::format("{}: offset 8: the file holds no tensors: it is a vocabulary, not a model", path));
    }
    return spec;
  }
  std::error_code ignored;
  if (!path.ends_with(".json") && !std::filesystem::is_directory(path, ignored)) {
    return fail(ErrorKind::not_found, fmt::format("{} is not a .gguf file, a config.json or a folder with one", path));
  }
  return read_config_json(path);
}

Result<const CatalogueEntry*> find_entry(const std::string& word, const Catalogue& catalogue)
{
  if (const auto* entry = catalogue.find(word)) return entry;
  const auto near = catalogue.suggest(word);
  std::string message = fmt::format("no model is called '{}'", word);
  const auto commands = command_names();
  const auto command = nearest(word, commands);
  // A word with two letters wrong is a mistyped command, whatever model begins like it.
  if (!command.empty() && edit_distance(word, command) <= std::min<std::size_t>(2, word.size() / 2)) {
    message += fmt::format("; did you mean the command '{}'{}?", command,
                           near.empty() ? "" : fmt::format(" or the model '{}'", near.front()));
  } else if (near.empty()) {
    message += "; `canirun models` lists all";
  } else {
    message += fmt::format("; did you mean '{}'? `canirun models` lists all", fmt::join(near, "' or '"));
  }
  return fail(ErrorKind::not_found, message);
}

Result<std::vector<const CatalogueEntry*>> selected_entries(const Selection& selection, const Catalogue& catalogue)
{
  if (auto known = check_selection(selection, catalogue); !known) return tl::unexpected(known.error());
  std::vector<const CatalogueEntry*> entries;
  for (const auto& e : catalogue.entries()) {
    if (selected(e, selection)) entries.push_back(&e);
  }
  return entries;
}

std::vector<const CatalogueEntry*> other_versions(const CatalogueEntry& entry, const Catalogue& catalogue)
{
  std::vector<const CatalogueEntry*> versions;
  const auto seen = [&](const CatalogueEntry* e) { return e == &entry || std::ranges::find(versions, e) != versions.end(); };
  for (auto* e = &entry; !e->supersedes.empty();) {
    e = catalogue.find(e->supersedes);
    if (!e || seen(e)) break;
    versions.insert(versions.begin(), e);
  }
  for (const auto* e = &entry; e;) {
    const auto next =
        std::ranges::find_if(catalogue.entries(), [&](const CatalogueEntry& n) { return n.supersedes == e->spec.id; });
    e = next == catalogue.entries().end() || seen(&*next) ? nullptr : &*next;
    if (e) versions.push_back(e);
  }
  return versions;
}

Result<ModelSet> models_of(std::span<const std::string> words, const Selection& selection, const Catalogue& catalogue)
{
  ModelSet set;
  for (const auto& word : words) {
    if (is_file_name(word)) {
      if (auto own = entries_of(word); !own) return tl::unexpected(own.error());
      else if (!own->empty()) {
        for (auto& e : *own) {
          set.files.push_back(std::make_unique<ModelSpec>(std::move(e.spec)));
          e.facts.source = word;
          set.subjects.push_back({set.files.back().get(), std::move(e.facts)});
        }
        continue;
      }
      auto spec = read_model_file(word);
      if (!spec) return tl::unexpected(spec.error());
      set.files.push_back(std::make_unique<ModelSpec>(std::move(*spec)));
      set.subjects.push_back({set.files.back().get(),
                              {.source = word,
                               .tasks = {},
                               .release = {},
                               .license = {},
                               .provider = {},
                               .family = {},
                               .hf_repo = {},
                               .diffusers_repo = {},
                               .ollama = {}}});
      continue;
    }
    const auto entry = find_entry(word, catalogue);
    if (!entry) return tl::unexpected(entry.error());
    const auto* spec = &(*entry)->spec;
    if (std::ranges::find(set.subjects, spec, &AskedModel::spec) == set.subjects.end())
      set.subjects.push_back({spec, (*entry)->facts});
  }
  if (!words.empty() && !selection.any()) return set;
  if (auto known = check_selection(selection, catalogue); !known) return tl::unexpected(known.error());

  std::set<std::string_view> superseded;
  if (!selection.any()) {
    for (const auto& e : catalogue.entries()) superseded.insert(e.supersedes);
  }
  for (const auto& e : catalogue.entries()) {
    // The list of a machine is for choosing: what cannot be graded and what has a successor is in --all.
    if (!selection.any() && (superseded.contains(e.spec.id) || (!selection.pictures && e.spec.kind != ModelKind::text))) continue;
    if (!selected(e, selection)) continue;
    if (std::ranges::find(set.subjects, &e.spec, &AskedModel::spec) == set.subjects.end())
      set.subjects.push_back({&e.spec, e.facts});
  }
  return set;
}

}  // namespace canirun
