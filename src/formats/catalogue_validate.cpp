#include <algorithm>

#include <fmt/core.h>

#include "architectures.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "catalogue_entry.hpp"
#include "data_file.hpp"
#include "name_index.hpp"

namespace canirun {

namespace {

class Findings {
 public:
  explicit Findings(std::string_view file) : file_(file) {}

  void add(std::string_view entry, std::string_view field, std::string message)
  {
    found_.push_back({file_, std::string(entry), std::string(field), std::move(message)});
  }
  std::vector<Finding> take() { return std::move(found_); }

 private:
  std::string file_;
  std::vector<Finding> found_;
};

/// Elements of tensors that GGUF files have and published totals do not count (docs/catalogue.md "What n_params counts").
std::uint64_t uncounted(const TensorPlan& plan)
{
  std::uint64_t n = 0;
  for (const auto& t : plan.tensors) {
    if (!t.loaded || plan.roles[t.role].name.starts_with("rope_f")) n += t.n_elements();
  }
  return n;
}

bool is_date(std::string_view text, std::size_t length)
{
  if (text.size() != length) return false;
  for (std::size_t i = 0; i < length; ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? text[i] != '-' : (text[i] < '0' || text[i] > '9')) return false;
  }
  return true;
}

std::span<const Component> components_of(const CatalogueEntry& e)
{
  return e.spec.media ? std::span<const Component>(e.spec.media->components) : std::span<const Component>();
}

void check_facts(const CatalogueEntry& e, Findings& out)
{
  const auto& id = e.spec.id;
  if (e.sources.empty()) out.add(id, "sources", "say where the figures come from");
  if (e.facts.tasks.empty()) out.add(id, "tasks", "name at least one task");
  if (e.facts.license.empty()) out.add(id, "license", "name the licence");
  if (!is_date(e.facts.release, 7)) out.add(id, "release", "a month is expected, as 2024-07");
  if (!e.checked.empty() && !is_date(e.checked, 10)) out.add(id, "checked", "a date is expected, as 2024-07-31");
  const auto check_repository = [&](std::string_view field, std::string_view name) {
    const auto slash = name.find('/');
    const bool whole =
        slash != std::string_view::npos && slash > 0 && slash + 1 < name.size() && name.find('/', slash + 1) == name.npos;
    if (!name.empty() && !whole) out.add(id, field, fmt::format("'{}' is no repository of Hugging Face, as owner/name", name));
  };
  check_repository("hf_repo", e.facts.hf_repo);
  check_repository("diffusers_repo", e.facts.diffusers_repo);
  if (!e.facts.diffusers_repo.empty() && e.spec.kind != ModelKind::image && e.spec.kind != ModelKind::video)
    out.add(id, "diffusers_repo", "only image and video models have one");
  if (e.spec.n_params == 0) out.add(id, "n_params", "the number of parameters is missing");
  if ((e.spec.kind == ModelKind::image || e.spec.kind == ModelKind::video) && components_of(e).empty()) {
    out.add(id, "components", "an image or video model needs its components");
  }
}

void check_sum(const CatalogueEntry& e, Findings& out)
{
  const auto components = components_of(e);
  if (components.empty()) return;
  std::uint64_t sum = 0;
  for (const auto& c : components) sum += c.n_params;
  if (sum != e.spec.n_params) {
    out.add(e.spec.id, "n_params",
            fmt::format("the components have {} parameters together, the entry says {}", sum, e.spec.n_params));
  }
}

void check_arithmetic(const CatalogueEntry& e, Findings& out)
{
  const auto& s = e.spec;
  if (s.kind != ModelKind::text && s.kind != ModelKind::embedding) return check_sum(e, out);
  if (s.arch.empty()) {
    if (s.n_layer > 0 && e.confidence == Confidence::exact)
      out.add(s.id, "arch", "an exact entry with shapes names its llama.cpp architecture");
    return;
  }
  if (!known_architecture(s.arch)) {
    // mllama runs in Ollama only; its weights are counted all the same.
    if (s.arch != "mllama") out.add(s.id, "arch", fmt::format("llama.cpp has no architecture '{}'", s.arch));
    return;
  }
  if (e.confidence != Confidence::exact || s.kind != ModelKind::text || unplannable(s)) return;
  const auto plan = tensor_plan(s, FileType::F16);
  const auto counted = plan.n_params() - uncounted(plan);
  const auto difference = counted > s.n_params ? counted - s.n_params : s.n_params - counted;
  // What GGUF files add or leave out is far below this; a wrong width or layer count is far above.
  if (difference * 100 > s.n_params) {
    out.add(s.id, "n_params", fmt::format("the shapes add up to {}, the entry says {}", counted, s.n_params));
  }
}

void check_names(const std::vector<CatalogueEntry>& entries, Findings& out)
{
  NameIndex names;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (const auto other = names.claim(entries[i].spec.id, i)) {
      out.add(entries[i].spec.id, "id", fmt::format("'{}' has this id already", entries[*other].spec.id));
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (const auto& alias : entries[i].aliases) {
      if (const auto other = names.claim(alias, i)) {
        out.add(entries[i].spec.id, "aliases", fmt::format("'{}' leads to '{}' already", alias, entries[*other].spec.id));
      }
    }
    const auto& older = entries[i].supersedes;
    if (!older.empty() && !names.find(older))
      out.add(entries[i].spec.id, "supersedes", fmt::format("no entry is called '{}'", older));
  }
}

}  // namespace

std::vector<Finding> validate_catalogue(std::string_view json, std::string_view file)
{
  Findings findings(file);
  const auto list = open_list(json, file, "canirun.models/1", "models");
  if (!list) {
    findings.add("", "", list.error().message);
    return findings.take();
  }
  std::vector<CatalogueEntry> entries;
  for (const auto* item = list->document.first(*list->items); item; item = list->document.next(*item)) {
    FieldReader reader(list->document);
    CatalogueEntry entry;
    if (!read_entry(reader, *item, entry)) {
      const auto* id = item->kind == JsonKind::object ? list->document.find(*item, "id") : nullptr;
      findings.add(id && id->kind == JsonKind::string ? id->string : "", reader.field(), reader.message());
      continue;
    }
    check_facts(entry, findings);
    check_arithmetic(entry, findings);
    entries.push_back(std::move(entry));
  }
  check_names(entries, findings);
  return findings.take();
}

}  // namespace canirun
