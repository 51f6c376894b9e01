#include "verify/llama_output.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace canirun {

namespace {

constexpr std::uint64_t k_most_mib = 1ull << 30;  // a pebibyte: no machine has it

std::vector<std::string_view> words_of(std::string_view line)
{
  std::vector<std::string_view> words;
  while (true) {
    const auto start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos) return words;
    const auto end = std::min(line.find_first_of(" \t\r", start), line.size());
    words.push_back(line.substr(start, end - start));
    line.remove_prefix(end);
  }
}

std::optional<Bytes> mib(std::string_view word)
{
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), n);
  if (error != std::errc() || end != word.data() + word.size() || n > k_most_mib) return std::nullopt;
  return Bytes{n << 20};
}

std::optional<FitRow> fit_row(std::string_view line)
{
  const auto words = words_of(line);
  if (words.size() != 4) return std::nullopt;
  const auto model = mib(words[1]), context = mib(words[2]), compute = mib(words[3]);
  if (!model || !context || !compute) return std::nullopt;
  return FitRow{std::string(words[0]), *model, *context, *compute};
}

std::optional<SeenDevice> seen_device(std::string_view line)
{
  const auto colon = line.find(": "), open = line.rfind(" (");
  if (colon == std::string_view::npos || open == std::string_view::npos || open < colon + 2) return std::nullopt;
  const auto name = words_of(line.substr(0, colon)), sizes = words_of(line.substr(open + 2));
  if (name.size() != 1 || sizes.size() != 5 || sizes[1] != "MiB," || sizes[3] != "MiB" || sizes[4] != "free)")
    return std::nullopt;
  const auto total = mib(sizes[0]), free = mib(sizes[2]);
  if (!total || !free) return std::nullopt;
  return SeenDevice{std::string(name[0]), std::string(line.substr(colon + 2, open - colon - 2)), *total, *free};
}

std::optional<double> rate(const nlohmann::json& record)
{
  const auto it = record.find("avg_ts");
  if (it == record.end() || !it->is_number()) return std::nullopt;
  const auto value = it->get<double>();
  return std::isfinite(value) && value > 0 && value < 1e9 ? std::optional(value) : std::nullopt;
}

}  // namespace

std::vector<FitRow> parse_fit_print(std::string_view text)
{
  std::vector<FitRow> rows;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (auto row = fit_row(text.substr(0, end))) rows.push_back(std::move(*row));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (rows.empty() || rows.back().device != "Host") return {};
  return rows;
}

std::optional<std::vector<SeenDevice>> parse_devices(std::string_view text)
{
  const auto head = text.find("Available devices:");
  if (head == std::string_view::npos) return std::nullopt;
  text.remove_prefix(head);
  std::vector<SeenDevice> devices;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (auto device = seen_device(text.substr(0, end))) devices.push_back(std::move(*device));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return devices;
}

std::optional<BenchResult> parse_bench(std::string_view text)
{
  const auto records = nlohmann::json::parse(text, nullptr, false);
  if (!records.is_array()) return std::nullopt;
  BenchResult result;
  for (const auto& r : records) {
    if (!r.is_object()) continue;
    const auto n_prompt = r.find("n_prompt"), n_gen = r.find("n_gen");
    if (n_prompt == r.end() || n_gen == r.end() || !n_prompt->is_number_integer() || !n_gen->is_number_integer()) continue;
    if (*n_prompt == 0 && *n_gen > 0) result.generation_tps = rate(r);
    if (*n_gen == 0 && *n_prompt > 0) result.prompt_tps = rate(r);
    if (const auto build = r.find("build_commit"); build != r.end() && build->is_string())
      result.build = build->get<std::string>();
  }
  if (!result.generation_tps && !result.prompt_tps) return std::nullopt;
  return result;
}

}  // namespace canirun
