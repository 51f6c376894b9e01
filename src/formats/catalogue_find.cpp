#include <algorithm>
#include <utility>

#include "canirun/core/file_type.hpp"
#include "canirun/formats/catalogue.hpp"
#include "edit_distance.hpp"

namespace canirun {

namespace {

constexpr std::string_view k_separators = "-_.:/ @";

/// Words at the end of a published name that do not change what is loaded.
bool is_variant_word(std::string_view word)
{
  constexpr std::string_view k_words[] = {"instruct", "chat", "it", "hf", "gguf", "latest", "base", "pt", "instruct2", "text"};
  const auto folded = fold(word);
  return std::ranges::find(k_words, folded) != std::end(k_words) || parse_file_type(word).has_value();
}

/// The name without variant words at its end: "Llama-3.1-8B-Instruct-GGUF" → "Llama-3.1-8B".
std::string_view without_variants(std::string_view name)
{
  for (;;) {
    // A file type has separators of its own ("Q4_K_M"): try the longest tail that is one word of ours.
    auto cut = std::string_view::npos;
    for (auto at = name.find_first_of(k_separators); at != std::string_view::npos;
         at = name.find_first_of(k_separators, at + 1)) {
      if (at > 0 && is_variant_word(name.substr(at + 1))) {
        cut = at;
        break;
      }
    }
    if (cut == std::string_view::npos) return name;
    name = name.substr(0, cut);
  }
}

std::string_view last_part(std::string_view path)
{
  while (path.ends_with('/')) path.remove_suffix(1);
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// Calls `use(name)` for each name of an entry, the strongest first.
template <typename Use>
bool any_name(const CatalogueEntry& entry, Use use)
{
  const auto repository = [&](const std::string& name) { return !name.empty() && (use(name) || use(last_part(name))); };
  return use(std::string_view(entry.spec.id)) || std::ranges::any_of(entry.aliases, use) || repository(entry.facts.hf_repo) ||
         repository(entry.facts.diffusers_repo) || (!entry.facts.ollama.empty() && use(entry.facts.ollama));
}

}  // namespace

const CatalogueEntry* Catalogue::find(std::string_view name) const
{
  const auto search = [&](const std::string& wanted, auto matches) -> const CatalogueEntry* {
    if (wanted.empty()) return nullptr;
    const auto found = std::ranges::find_if(entries_, matches);
    return found == entries_.end() ? nullptr : &*found;
  };
  const auto exact = fold(name);
  const auto is = [&](std::string_view other) { return fold(other) == exact; };
  if (const auto* e = search(exact, [&](const auto& entry) { return is(entry.spec.id); })) return e;
  if (const auto* e = search(exact, [&](const auto& entry) { return std::ranges::any_of(entry.aliases, is); })) return e;
  if (const auto* e = search(exact, [&](const auto& entry) { return any_name(entry, is); })) return e;

  // "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M" and "llama3.1:8b-instruct-q4_K_M" are builds of entries that we have.
  const auto short_name = fold(without_variants(last_part(name)));
  const auto is_short = [&](std::string_view other) {
    return fold(other) == short_name || fold(without_variants(last_part(other))) == short_name;
  };
  return search(short_name, [&](const auto& entry) { return any_name(entry, is_short); });
}

std::vector<std::string> Catalogue::suggest(std::string_view name, std::size_t limit) const
{
  const auto wanted = fold(without_variants(last_part(name)));
  if (wanted.empty()) return {};
  std::vector<std::pair<std::size_t, std::size_t>> near;  // distance, index
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    auto best = std::string::npos;
    const auto measure = [&](std::string_view other) {
      best = std::min(best, name_distance(wanted, fold(other)));
      return false;
    };
    any_name(entries_[i], measure);
    if (best <= std::max<std::size_t>(2, wanted.size() / 3)) near.emplace_back(best, i);
  }
  std::ranges::stable_sort(near);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < std::min(limit, near.size()); ++i) ids.push_back(entries_[near[i].second].spec.id);
  return ids;
}

}  // namespace canirun
