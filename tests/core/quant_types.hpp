#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "canirun/core/file_type.hpp"
#include "canirun/core/tensor_plan.hpp"

/// \file
/// tests/data/quant-types.csv: what llama-quantize chooses for whole models, in bytes and in tensors of each type.

namespace canirun::testing {

struct QuantRecord {
  std::string model, arch;
  FileType file_type = FileType::F16;
  bool imatrix = false;
  std::uint64_t n_params = 0;
  std::uint64_t tensor_bytes = 0;
  std::string tensors_by_type;  ///< "f32:65 q2_K:129", by name of the type.
};

inline std::vector<QuantRecord> read_quant_records(const std::string& path)
{
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::vector<QuantRecord> records;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#') || line.starts_with("model,")) continue;
    std::istringstream fields(line);
    QuantRecord r;
    std::string type, imatrix, n_params, bytes;
    std::getline(fields, r.model, ',');
    std::getline(fields, r.arch, ',');
    std::getline(fields, type, ',');
    std::getline(fields, imatrix, ',');
    std::getline(fields, n_params, ',');
    std::getline(fields, bytes, ',');
    std::getline(fields, r.tensors_by_type);
    r.file_type = parse_file_type(type).value();
    r.imatrix = imatrix == "1";
    r.n_params = std::stoull(n_params);
    r.tensor_bytes = std::stoull(bytes);
    records.push_back(std::move(r));
  }
  return records;
}

inline std::string tensors_by_type(const std::vector<PlannedTensor>& tensors)
{
  std::map<std::string, int> counts;
  for (const auto& t : tensors) ++counts[std::string(traits(t.type).name)];
  std::string text;
  for (const auto& [type, n] : counts) text += (text.empty() ? "" : " ") + type + ":" + std::to_string(n);
  return text;
}

}  // namespace canirun::testing
