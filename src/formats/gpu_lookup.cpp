#include <algorithm>
#include <cmath>
#include <ranges>

#include <fmt/format.h>

#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/gpu_table.hpp"
#include "edit_distance.hpp"
#include "gpu_name.hpp"

namespace canirun {

namespace {

bool has_size(const GpuEntry& entry, double gib)
{
  return std::ranges::any_of(entry.vram_gib, [&](double size) { return std::abs(size - gib) < 0.5; });
}

/// Step 2 prefers what is not soldered into a laptop.
bool is_mobile_entry(const GpuEntry* entry) { return entry->form == "laptop"; }

/// The entries whose `key` or `base` a predicate accepts.
template <typename Accept>
std::vector<const GpuEntry*> select(std::span<const GpuEntry> entries, Accept accept)
{
  std::vector<const GpuEntry*> found;
  for (const auto& entry : entries) {
    if (accept(parse_gpu_name(entry.name)) ||
        std::ranges::any_of(entry.aliases, [&](const std::string& alias) { return accept(parse_gpu_name(alias)); })) {
      found.push_back(&entry);
    }
  }
  return found;
}

bool versions_of_one_card(const std::vector<const GpuEntry*>& entries)
{
  const auto base = parse_gpu_name(entries.front()->name).base;
  return std::ranges::all_of(entries, [&](const GpuEntry* e) { return parse_gpu_name(e->name).base == base; });
}

double smallest_size(const GpuEntry& entry) { return entry.vram_gib.empty() ? 0 : entry.vram_gib.front(); }

std::string listing(const std::vector<const GpuEntry*>& entries)
{
  std::vector<std::string_view> names;
  for (const auto* e : entries) {
    if (names.size() < 8) names.push_back(e->name);
  }
  return fmt::format("{}{}", fmt::join(names, ", "), entries.size() > names.size() ? ", …" : "");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Names that a longer text holds word by word ("Mac Studio M2 Ultra" holds M2 Ultra), the longest first.
std::vector<std::string_view> names_within(std::span<const GpuEntry> entries, const GpuName& wanted)
{
  std::size_t longest = 1;
  std::vector<std::string_view> names;
  for (const auto& entry : entries) {
    const auto name = parse_gpu_name(entry.name);
    if (name.base.size() < longest || std::ranges::none_of(name.base, is_digit)) continue;
    if (std::search(wanted.words.begin(), wanted.words.end(), name.words.begin(), name.words.end()) == wanted.words.end())
      continue;
    if (name.base.size() > longest) names.clear();
    longest = name.base.size();
    names.push_back(entry.name);
  }
  return names;
}

Error unknown_gpu(std::span<const GpuEntry> entries, std::string_view text, const GpuName& wanted)
{
  if (text.find_first_of("+,;&") != std::string_view::npos)
    return {ErrorKind::invalid_argument, fmt::format("'{}' is not one GPU; state several by --gpu for each of them", text)};
  auto names = names_within(entries, wanted);
  std::vector<std::pair<std::size_t, std::string_view>> near;
  for (const auto& entry : entries) {
    const auto distance = name_distance(wanted.key, parse_gpu_name(entry.name).key);
    if (distance <= std::max<std::size_t>(2, wanted.key.size() / 3)) near.emplace_back(distance, entry.name);
  }
  std::ranges::stable_sort(near, {}, &std::pair<std::size_t, std::string_view>::first);
  for (const auto& [distance, name] : near) {
    if (names.size() < 3) names.push_back(name);
  }
  if (names.size() > 3) names.resize(3);
  const auto hint = names.empty() ? std::string() : fmt::format("; did you mean {}?", fmt::join(names, " or "));
  return {ErrorKind::not_found, fmt::format("no GPU is called '{}'{} `canirun gpus` lists all", text, hint.empty() ? ";" : hint)};
}

/// Does `name` end with the words of `wanted`, and begin with others?
bool ends_with_words(const GpuName& name, const GpuName& wanted)
{
  if (name.base.size() <= wanted.base.size() || !name.base.ends_with(wanted.base)) return false;
  auto left = name.base.size();
  for (auto word = name.words.rbegin(); word != name.words.rend(); ++word) {
    left -= word->size();
    if (name.base.size() - left >= wanted.base.size()) break;
  }
  return name.base.size() - left == wanted.base.size();
}

/// "4090", "A770", "W7900": a number without its series (RTX, Arc, Radeon PRO) stands for the only name that ends with it.
void complete_series(std::span<const GpuEntry> entries, GpuName& wanted)
{
  if (std::ranges::none_of(wanted.base, is_digit)) return;
  std::vector<std::string> whole;
  const auto consider = [&](std::string_view text) {
    const auto name = parse_gpu_name(text);
    if (name.base == wanted.base) whole.push_back(name.base);
    if (ends_with_words(name, wanted) && std::ranges::find(whole, name.base) == whole.end()) whole.push_back(name.base);
  };
  for (const auto& entry : entries) {
    consider(entry.name);
    std::ranges::for_each(entry.aliases, consider);
  }
  if (whole.size() != 1 || whole.front() == wanted.base) return;
  wanted.key.insert(0, whole.front(), 0, whole.front().size() - wanted.base.size());
  wanted.base = whole.front();
}

/// Does `name` begin with `start`, and not in the midst of a number? "P100" does not begin "P1000", but "RTX 40" begins "RTX 4090".
enum class Beginning { none, within_number, at_word };
Beginning beginning(std::string_view name, std::string_view start)
{
  if (start.empty() || !name.starts_with(start)) return Beginning::none;
  return is_digit(start.back()) && name.size() > start.size() && is_digit(name[start.size()]) ? Beginning::within_number
                                                                                              : Beginning::at_word;
}

/// Is `wanted` a part of `name`? With `whole_numbers` not in the midst of a number: "A100" is no part of "A1000".
bool holds(std::string_view name, std::string_view wanted, bool whole_numbers)
{
  for (auto at = name.find(wanted); at != std::string_view::npos; at = name.find(wanted, at + 1)) {
    if (!whole_numbers || wanted.empty() || beginning(name.substr(at), wanted) == Beginning::at_word) return true;
  }
  return false;
}

std::vector<const GpuEntry*> select_by_beginning(std::span<const GpuEntry> entries, const GpuName& wanted)
{
  for (const auto wish : {Beginning::at_word, Beginning::within_number}) {
    auto found = select(entries, [&](const GpuName& n) {
      return beginning(n.key, wanted.key) == wish || beginning(n.base, wanted.base) == wish;
    });
    if (!found.empty()) return found;
  }
  return {};
}

/// Steps 1 to 4 of "GPU lookup": the entry, and a note when a choice was made.
Result<const GpuEntry*> choose(std::span<const GpuEntry> entries, std::string_view text, std::optional<double> gib,
                               std::vector<std::string>& notes)
{
  auto wanted = parse_gpu_name(text);
  if (wanted.key.empty())
    return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not the name of a GPU; `canirun gpus` lists all", text));
  complete_series(entries, wanted);
  if (!gib) gib = wanted.gib;

  const auto exact = select(entries, [&](const GpuName& n) { return n.key == wanted.key; });
  auto found = exact;
  if (found.size() != 1 || (gib && !found.front()->unified && !has_size(*found.front(), *gib))) {
    auto versions = select(entries, [&](const GpuName& n) { return n.base == wanted.base; });
    if (gib && exact.empty() && wanted.gib) {
      // An alias may carry the size itself: "A100 40GB".
      auto with_size = select(entries, [&](const GpuName& n) { return n.base == wanted.base && n.gib == wanted.gib; });
      if (!with_size.empty()) versions = std::move(with_size);
    }
    if (gib && std::ranges::any_of(versions, [&](const GpuEntry* e) { return has_size(*e, *gib); })) {
      std::erase_if(versions, [&](const GpuEntry* e) { return !has_size(*e, *gib); });
      found = std::move(versions);
    } else if (found.empty()) {
      found = std::move(versions);
    }
  }
  if (found.empty()) {
    found = select_by_beginning(entries, wanted);
    if (gib) {
      auto sized = found;
      std::erase_if(sized, [&](const GpuEntry* e) { return !has_size(*e, *gib); });
      if (!sized.empty()) found = std::move(sized);
    }
    auto fixed = found;
    std::erase_if(fixed, is_mobile_entry);
    if (fixed.size() == 1) found = std::move(fixed);
  }
  if (found.empty()) return tl::unexpected(unknown_gpu(entries, text, wanted));
  if (found.size() == 1) return found.front();
  if (!versions_of_one_card(found)) {
    return fail(ErrorKind::invalid_argument, fmt::format("'{}' can be {}; name one of them", text, listing(found)));
  }
  const auto* smallest = *std::ranges::min_element(
      found, {}, [](const GpuEntry* e) { return std::pair(smallest_size(*e), e->bandwidth_gbs.value_or(0)); });
  notes.push_back(fmt::format("'{}' is sold in {} versions ({}); {} is assumed, the smallest", text, found.size(), listing(found),
                              smallest->name));
  return smallest;
}

}  // namespace

Result<GpuMatch> GpuTable::lookup(std::string_view text, std::optional<Bytes> ram, std::optional<Bytes> machine_ram) const
{
  const auto query = parse_gpu_query(text);
  if (!query) return tl::unexpected(query.error());
  GpuMatch match;
  const auto chosen = choose(entries_, query->name, query->gib, match.notes);
  if (!chosen) return tl::unexpected(chosen.error());
  const auto& entry = **chosen;

  const auto stated = query->gib ? query->gib : parse_gpu_name(query->name).gib;
  double gib = smallest_size(entry);
  if (entry.unified && ram && !stated) {
    gib = to_gib(*ram).value;
  } else if (stated) {
    gib = *stated;
    if (!entry.vram_gib.empty() && !has_size(entry, gib) && !entry.unified) {
      match.notes.push_back(
          fmt::format("{} is sold with {} GiB; {} GiB is taken as stated", entry.name, fmt::join(entry.vram_gib, " or "), gib));
    }
  } else if (entry.unified && entry.vram_gib.empty() && machine_ram) {
    gib = to_gib(*machine_ram).value;
  } else if (entry.vram_gib.size() > 1) {
    match.notes.push_back(fmt::format("{} is sold with {} GiB; {} is assumed, `{}:{}G` says otherwise", entry.name,
                                      fmt::join(entry.vram_gib, " or "), gib, entry.name, entry.vram_gib.back()));
  }
  if (gib <= 0) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("{} shares the machine's memory; state its size as '{}:32G' or with --ram", entry.name, entry.name));
  }
  const Bytes vram{static_cast<std::uint64_t>(gib * 1073741824.0) / entry.dies};
  match.gpus.assign(std::size_t{query->count} * entry.dies, to_gpu(entry, vram));
  if (entry.dies > 1) {
    match.notes.push_back(fmt::format("{} is a board of {} GPUs; programs see each of them with {} GiB", entry.name, entry.dies,
                                      to_gib(vram).value));
  }
  return match;
}

std::vector<const GpuEntry*> GpuTable::search(std::string_view text) const
{
  const auto holding = [&](const std::string& wanted, bool whole_numbers) {
    const auto has = [&](std::string_view name) { return holds(fold(name), wanted, whole_numbers); };
    std::vector<const GpuEntry*> found;
    for (const auto& entry : entries_) {
      if (has(entry.id) || has(entry.name) || std::ranges::any_of(entry.aliases, has)) found.push_back(&entry);
    }
    return found;
  };
  for (const bool whole_numbers : {true, false}) {
    if (auto found = holding(fold(text), whole_numbers); !found.empty()) return found;
  }
  // "2x RTX 3090", "M3 Max 64GB": as --gpu takes it, with a count or a size that is in no name.
  const auto query = parse_gpu_query(text);
  if (!query) return {};
  const auto name = parse_gpu_name(query->name);
  if (name.base.empty()) return {};
  auto found = holding(name.base, true);
  const auto gib = query->gib ? query->gib : name.gib;
  if (gib) std::erase_if(found, [&](const GpuEntry* e) { return !has_size(*e, *gib) && !(e->unified && e->vram_gib.empty()); });
  return found;
}

}  // namespace canirun
