// zcat gguf-sizes.jsonl.gz | sizes: published file sizes against the catalogue alone.
//
// Each line: catalog_id, quant, kind, value, unit, bytes_approx, precision, file. Only plain llama-quantize files count: no projector in the
// file, no recipe of its own (Unsloth's dynamic ones, per-tensor overrides). A record agrees when the estimate is within 1 % and
// the rounding that its precision states. Prints the share, and what disagrees by model.

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "canirun/core/file_type.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"

namespace {

using namespace canirun;
using json = nlohmann::json;

std::string text(const json& record, const char* key)
{
  return record.contains(key) && record[key].is_string() ? record[key].get<std::string>() : "";
}

/// Half of the last digit that is printed, in bytes.
double rounding(const json& record)
{
  const auto precision = text(record, "precision"), unit = text(record, "unit");
  const double scale = unit == "GiB"   ? 1073741824.0
                       : unit == "GB"  ? 1e9
                       : unit == "MiB" ? 1048576.0
                       : unit == "MB"  ? 1e6
                       : unit == "TB"  ? 1e12
                                       : 1.0;
  if (precision.starts_with("2 significant")) {
    const double value = record["value"];
    return 0.5 * scale * std::pow(10.0, std::floor(std::log10(value)) - 1);
  }
  if (precision.starts_with("1 decimal")) return 0.05 * scale;
  if (precision.starts_with("2 decimals")) return 0.005 * scale;
  if (precision.starts_with("3 decimals")) return 0.0005 * scale;
  return 0.5 * scale;
}

/// Files whose tensors are not those that llama-quantize chooses for the name.
bool is_plain(const json& record)
{
  if (text(record, "kind") != "model" || record.value("bytes_approx", std::uint64_t{0}) == 0) return false;
  const auto file = text(record, "file"), model = text(record, "model"), precision = text(record, "precision");
  for (const auto* mark : {"UD-", "-XL", "_XL", "_L.gguf", "mmproj", "-of-"}) {
    if (file.find(mark) != std::string::npos || text(record, "quant").find(mark) != std::string::npos) return false;
  }
  if (precision.find("mixed recipes") != std::string::npos || precision.find("includes mmproj") != std::string::npos) return false;
  return precision.find("not decided") == std::string::npos;
}

struct Disagreement {
  std::string quant, file;
  double published = 0, estimate = 0;
};

}  // namespace

int main()
{
  const auto catalogue = Catalogue::builtin();
  if (!catalogue) return 3;
  std::map<std::string, std::map<std::string, std::array<double, 2>>> planned;  // model, type: without and with importance matrix
  std::map<std::string, std::vector<Disagreement>> wrong;
  std::size_t n = 0, agree = 0, skipped = 0;
  for (std::string line; std::getline(std::cin, line);) {
    const auto record = json::parse(line);
    const auto type = parse_file_type(text(record, "quant"));
    const auto* entry = type ? catalogue->find(text(record, "catalog_id")) : nullptr;
    if (!entry || !is_plain(record) || unplannable(entry->spec)) {
      ++skipped;
      continue;
    }
    // A page that lists one file of a vision model on Ollama has the projector inside.
    const bool projector_inside = entry->spec.n_params_mmproj > 0 && text(record, "precision").find("Ollama") != std::string::npos;
    if (projector_inside) {
      ++skipped;
      continue;
    }
    auto& sizes = planned[entry->spec.id][text(record, "quant")];
    if (sizes[0] == 0) {
      for (const bool imatrix : {false, true}) {
        sizes[imatrix] = static_cast<double>(tensor_plan(entry->spec, *type, {.imatrix = imatrix}).total_bytes().count);
        // Vocabulary and merges: about 45 bytes a token (Llama 3: 7.8 MB for 128256).
        sizes[imatrix] += 45.0 * entry->spec.n_vocab;
      }
    }
    const double published = record["bytes_approx"];
    const auto off = [&](double estimate) { return std::abs(estimate - published); };
    const auto best = off(sizes[0]) <= off(sizes[1]) ? sizes[0] : sizes[1];
    ++n;
    if (off(best) <= 0.01 * published + rounding(record)) ++agree;
    else wrong[entry->spec.id].push_back({text(record, "quant"), text(record, "file"), published, best});
  }
  fmt::print("{} of {} records agree: {:.1f} % ({} skipped: not in the catalogue, or no plain file)\n", agree, n,
             n ? 100.0 * static_cast<double>(agree) / static_cast<double>(n) : 0.0, skipped);
  std::vector<std::pair<std::size_t, std::string>> order;
  for (const auto& [model, list] : wrong) order.emplace_back(list.size(), model);
  std::ranges::sort(order, std::greater<>());
  for (const auto& [count, model] : order) {
    const auto& list = wrong[model];
    double low = 1e9, high = -1e9;
    for (const auto& d : list) {
      low = std::min(low, 100 * (d.estimate / d.published - 1));
      high = std::max(high, 100 * (d.estimate / d.published - 1));
    }
    const auto* why = high - low < 2 && std::abs(low) > 3 ? "all alike: another model or parts under the same name"
                      : std::abs(low) < 3 && std::abs(high) < 3 ? "small: a header, an older version of llama-quantize"
                                                                : "a recipe of its own";
    fmt::print("{:<34} {:>3}  {:>+6.1f} % to {:>+6.1f} %  {} ({} {})\n", model, count, low, high, why, list.front().quant,
               list.front().file);
  }
}
