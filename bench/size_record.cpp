#include "size_record.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <regex>
#include <set>
#include <string_view>

namespace canirun {
namespace {

std::string text(const nlohmann::json& line, const char* key)
{
  return line.contains(key) && line[key].is_string() ? line[key].get<std::string>() : "";
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

double rounding_of(std::string_view precision, std::string_view unit, double value)
{
  const double scale = unit == "GiB"   ? 1073741824.0
                       : unit == "GB"  ? 1e9
                       : unit == "MiB" ? 1048576.0
                       : unit == "MB"  ? 1e6
                       : unit == "TB"  ? 1e12
                                       : 1.0;
  if (precision.starts_with("2 significant")) return 0.5 * scale * std::pow(10.0, std::floor(std::log10(value)) - 1);
  if (precision.starts_with("1 decimal")) return 0.05 * scale;
  if (precision.starts_with("2 decimals")) return 0.005 * scale;
  if (precision.starts_with("3 decimals")) return 0.0005 * scale;
  return 0.5 * scale;
}

/// Types that a file name states: "…-Q8_0-FFN-IQ3_S.gguf" has two.
std::set<std::string> types_in(const std::string& name)
{
  static const std::regex k_type("(IQ|TQ|Q|MXFP|NVFP|BF|F)[0-9]+(_[0-9A-Z]+)*");
  std::string upper = name;
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  std::set<std::string> types;
  for (std::sregex_iterator it(upper.begin(), upper.end(), k_type), end; it != end; ++it) {
    const auto at = static_cast<std::size_t>(it->position());
    if (at > 0 && std::isalnum(static_cast<unsigned char>(upper[at - 1]))) continue;
    types.insert(it->str());
  }
  return types;
}

/// "…-0.6B-…" of a model of 1000 billion: a draft model or another size. True where the name states sizes and none is near.
bool states_another_size(const std::string& name, double n_params)
{
  static const std::regex k_size("(^|[^0-9A-Za-z.])([0-9]+x)?([0-9]+(\\.[0-9]+)?)([bBmM])([^0-9A-Za-z]|$)");
  bool any = false;
  for (std::sregex_iterator it(name.begin(), name.end(), k_size), end; it != end; ++it) {
    const double experts = (*it)[2].matched ? std::atof((*it)[2].str().c_str()) : 1;
    const char unit = (*it)[5].str()[0];
    const double stated = experts * std::atof((*it)[3].str().c_str()) * (unit == 'b' || unit == 'B' ? 1e9 : 1e6);
    any = true;
    if (stated > n_params / 2.5 && stated < n_params * 2.5) return false;
  }
  return any;
}

/// The last date that `source` states, "YYYY-MM-DD" or "YYYY-MM"; empty without one.
std::string date_in(const std::string& source)
{
  static const std::regex k_date("20[0-9]{2}-[01][0-9](-[0-3][0-9])?");
  std::string last;
  for (std::sregex_iterator it(source.begin(), source.end(), k_date), end; it != end; ++it) last = std::max(last, it->str());
  return last;
}

}  // namespace

SizeRecord read_size_record(const nlohmann::json& line)
{
  SizeRecord r{.entry = text(line, "catalog_id"),
               .repository = text(line, "model"),
               .quant = text(line, "quant"),
               .file = text(line, "file"),
               .kind = text(line, "kind"),
               .precision = text(line, "precision"),
               .source = text(line, "source"),
               .note = text(line, "note")};
  if (line.contains("bytes_approx") && line["bytes_approx"].is_number()) r.bytes = line["bytes_approx"];
  if (r.bytes > 0 && line["value"].is_number()) r.rounding = rounding_of(r.precision, text(line, "unit"), line["value"]);
  return r;
}

std::optional<std::string> not_plain(const SizeRecord& r, const CatalogueEntry& entry)
{
  const auto& spec = entry.spec;
  const auto names = r.repository + " " + r.file;
  const bool ollama = r.repository.starts_with("ollama:");
  if (r.kind != "model" || r.bytes == 0) return "no model file, or no size";
  if (has(r.precision, "includes mmproj") || (ollama && spec.n_params_mmproj > 0)) return "a projector is in the file";
  if (has(r.precision, "not decided")) return "the unit is not known";
  if (has(r.note, "shard") || has(r.file, "-of-")) return "one part of a split file";
  if (has(r.precision, "mixed recipes") || has(names, "UD-") || has(names, "AutoRound") || has(names, "-qat-")) {
    return "a recipe of its own (dynamic types, AutoRound, quantisation-aware training)";
  }
  // "_L", "_XL": embeddings and output at Q8_0 or more.
  for (const auto* mark : {"-XL", "_XL", "_L.gguf"}) {
    if ((has(r.file, mark) || has(r.quant, mark)) && !has(r.quant, "Q3_K_L"))
      return "a recipe of its own (embeddings with more bits)";
  }
  const auto types = types_in(r.file);
  if (types.size() > 1) return "the name states several types";
  if (types.size() == 1 && r.file.ends_with(".gguf") && !parse_file_type(*types.begin()))
    return "a type that llama-quantize does not have";
  if (states_another_size(r.file.empty() ? r.repository : r.file, static_cast<double>(spec.n_params)))
    return "another size than the entry's: a draft model, a sibling";
  // llama-quantize refuses to requantise ("requantizing from type mxfp4 is disabled"), so the experts of gpt-oss stay MXFP4 in files
  // made from OpenAI's weights; copies saved again in BF16 are quantised like any other.
  const auto type = parse_file_type(r.quant);
  if (spec.native_type == FileType::MXFP4_MOE && type && traits(default_tensor_type(*type)).quantized &&
      type != FileType::MXFP4_MOE && !has(names, "BF16")) {
    return "experts kept in MXFP4";
  }
  // Since 0.6.8 (May 2025) Ollama quantises itself (server/quantization.go), at first without attn_v and attn_qkv ("contains v.").
  if (ollama && entry.facts.release >= "2025-04" && (r.quant.starts_with("Q4_K") || r.quant == "Q8_0"))
    return "quantised by Ollama itself";
  return std::nullopt;
}

std::vector<QuantizeRules> possible_rules(const SizeRecord& record, const CatalogueEntry& entry)
{
  struct Period {
    QuantizeRules rules;
    std::string_view until;
  };
  static constexpr std::array k_periods{
      Period{QuantizeRules::until_2024_01_11, "2024-01-11"},
      Period{QuantizeRules::until_2024_02_22, "2024-02-22"},
      Period{QuantizeRules::until_2026_03_10, "2026-03-10"},
      Period{QuantizeRules::current, "9999"},
  };
  const auto noted = date_in(record.source);
  std::vector<QuantizeRules> rules;
  std::string_view from = "";
  for (const auto& period : k_periods) {
    // A month stands for all of its days.
    const bool released =
        entry.facts.release.empty() || entry.facts.release <= period.until.substr(0, entry.facts.release.size());
    if (released && (noted.empty() || noted >= from)) rules.push_back(period.rules);
    from = period.until;
  }
  return rules;
}

}  // namespace canirun
