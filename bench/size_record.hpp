#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"

/// \file
/// One record of published file sizes: what it says, how exactly, and whether it is a plain file of llama-quantize.

namespace canirun {

/// Fields of a line: catalog_id, model (repository or Ollama name), quant, file, kind, value, unit, bytes_approx, precision, source, note.
struct SizeRecord {
  std::string entry, repository, quant, file, kind, precision, source, note;
  double bytes = 0;
  double rounding = 0;  ///< Half of the last digit that is printed, in bytes.
};

SizeRecord read_size_record(const nlohmann::json& line);

/// Why the file is not a plain one of llama-quantize for this entry, in words; nothing if it is.
std::optional<std::string> not_plain(const SizeRecord& record, const CatalogueEntry& entry);

/// The rules of llama-quantize that were in force between the model's release and the day its size was noted.
std::vector<QuantizeRules> possible_rules(const SizeRecord& record, const CatalogueEntry& entry);

}  // namespace canirun
