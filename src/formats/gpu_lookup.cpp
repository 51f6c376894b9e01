#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/gpu_table.hpp"
#include "edit_distance.hpp"
#include "gpu_name.hpp"

namespace canirun {

namespace {

constexpr std::string_view k_dropped_words[] = {"nvidia",   "geforce",    "tesla",   "quadro",   "amd", "radeon", "instinct",
                                                "intel",    "apple",      "gpu",     "card",     "tm",  "r",      "corporation",
                                                "graphics", "generation", "edition", "qualcomm", "ati"};
constexpr std::string_view k_mobile_words[] = {"laptop", "mobile", "notebook", "maxq"};

/// "12gb", "24g", "80gib": a size of whole gibibytes, as names of cards state it.
std::optional<double> size_word(std::string_view word)
{
  double value = 0;
  const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), value, std::chars_format::fixed);
  if (status != std::errc{} || value <= 0 || value > 4096) return {};
  const std::string_view unit(end, static_cast<std::size_t>(word.data() + word.size() - end));
  return unit == "g" || unit == "gb" || unit == "gib" ? std::optional(value) : std::nullopt;
}

bool letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// What a user typed: how many, which, and with how much memory.
struct GpuQuery {
  std::uint32_t count = 1;
  std::string_view name;
  std::optional<double> gib;
};

/// "2x RTX 3090", "RTX 3090:24G". Errors: the count or the size is not one.
Result<GpuQuery> parse_query(std::string_view text)
{
  GpuQuery query;
  const auto trim = [](std::string_view s) {
    while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
    while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
    return s;
  };
  text = trim(text);
  std::uint32_t count = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (status == std::errc{}) {
    auto rest = trim({end, static_cast<std::size_t>(text.data() + text.size() - end)});
    const bool times = rest.starts_with("x ") || rest.starts_with("X ") || rest.starts_with("* ") || rest.starts_with("\xC3\x97");
    if (times) {
      if (count == 0 || count > 64)
        return fail(ErrorKind::invalid_argument, fmt::format("'{}': 1 to 64 GPUs can be stated", text));
      query.count = count;
      text = trim(rest.substr(rest.starts_with("\xC3\x97") ? 2 : 1));
    }
  }
  if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    std::string size(text.substr(colon + 1));
    std::ranges::transform(size, size.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    auto gib = size_word(size);
    if (!gib) gib = size_word(size + "g");
    if (!gib)
      return fail(ErrorKind::invalid_argument,
                  fmt::format("'{}': '{}' is not a memory size like 24G", text, text.substr(colon + 1)));
    query.gib = gib;
    text = trim(text.substr(0, colon));
  }
  query.name = text;
  return query;
}

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

Error unknown_gpu(std::span<const GpuEntry> entries, std::string_view text, const GpuName& wanted)
{
  std::vector<std::pair<std::size_t, std::string_view>> near;
  for (const auto& entry : entries) {
    const auto distance = name_distance(wanted.key, parse_gpu_name(entry.name).key);
    if (distance <= std::max<std::size_t>(2, wanted.key.size() / 3)) near.emplace_back(distance, entry.name);
  }
  std::ranges::stable_sort(near, {}, &std::pair<std::size_t, std::string_view>::first);
  std::vector<std::string_view> names;
  for (const auto& [distance, name] : near) {
    if (names.size() < 3) names.push_back(name);
  }
  const auto hint = names.empty() ? std::string() : fmt::format("; did you mean {}?", fmt::join(names, " or "));
  return {ErrorKind::not_found, fmt::format("no GPU is called '{}'{} `canirun gpus` lists all", text, hint.empty() ? ";" : hint)};
}

/// Steps 1 to 4 of "GPU lookup": the entry, and a note when a choice was made.
Result<const GpuEntry*> choose(std::span<const GpuEntry> entries, std::string_view text, std::optional<double> gib,
                               std::vector<std::string>& notes)
{
  auto wanted = parse_gpu_name(text);
  if (wanted.key.empty()) return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not the name of a GPU", text));
  // "4090", "7900 XTX": a bare number stands for the series that has it.
  for (const std::string series : {"rtx", "gtx", "rx"}) {
    if (select(entries, [&](const GpuName& n) { return n.base == series + wanted.base; }).empty()) continue;
    wanted.key = series + wanted.key;
    wanted.base = series + wanted.base;
    break;
  }
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
    found = select(entries, [&](const GpuName& n) { return n.key.starts_with(wanted.key) || n.base.starts_with(wanted.base); });
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

GpuName parse_gpu_name(std::string_view text)
{
  GpuName name;
  std::string word;
  bool mobile = false;
  int brackets = 0;
  const auto flush = [&] {
    if (word.empty()) return;
    const auto is = [&](std::string_view other) { return word == other; };
    if (std::ranges::any_of(k_mobile_words, is)) {
      mobile = true;
    } else if (!std::ranges::any_of(k_dropped_words, is)) {
      name.key += word;
      const auto gib = size_word(word);
      if (gib) name.gib = gib;
      if (!gib && brackets == 0) name.base += word;
    }
    word.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    if (letter_or_digit(c) || (c == '.' && !word.empty() && word.back() >= '0' && word.back() <= '9')) {
      word.push_back(c);
    } else if (c == '-' && word == "max") {
      continue;  // Max-Q is one word.
    } else {
      flush();
      if (c == '(') ++brackets;
      if (c == ')' && brackets > 0) --brackets;
    }
  }
  flush();
  if (mobile) {
    name.key += "mobile";
    name.base += "mobile";
  }
  return name;
}

Result<GpuMatch> GpuTable::lookup(std::string_view text, std::optional<Bytes> ram) const
{
  const auto query = parse_query(text);
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
  const auto wanted = fold(text);
  std::vector<const GpuEntry*> found;
  for (const auto& entry : entries_) {
    const auto has = [&](std::string_view name) { return fold(name).find(wanted) != std::string::npos; };
    if (has(entry.id) || has(entry.name) || std::ranges::any_of(entry.aliases, has)) found.push_back(&entry);
  }
  return found;
}

}  // namespace canirun
