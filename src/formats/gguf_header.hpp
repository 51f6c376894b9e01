#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "canirun/core/model.hpp"
#include "canirun/core/result.hpp"

/// \file
/// The header of one GGUF file as it stands there: keys and tensors, nothing interpreted (ggml/docs/gguf.md; ggml/src/gguf.cpp).

namespace canirun {

/// The value of a key. Scalars are arrays of one; arrays of strings and arrays longer than a model has layers keep their length only.
struct GgufValue {
  enum class Kind { whole, real, boolean, string };
  Kind kind = Kind::whole;
  bool is_array = false;
  std::uint64_t length = 1;
  std::vector<std::int64_t> whole;  ///< Whole numbers and booleans; above 2^63 - 1 they are held as that.
  std::vector<double> real;
  std::string string;
  std::uint64_t offset = 0;  ///< Of the key in the file.
};

struct GgufHeader {
  std::uint32_t version = 0;
  bool big_endian = false;
  std::uint64_t file_bytes = 0;
  std::unordered_map<std::string, GgufValue> values;
  std::vector<FileTensor> tensors;

  const GgufValue* find(const std::string& key) const
  {
    const auto found = values.find(key);
    return found == values.end() ? nullptr : &found->second;
  }
};

/// Reads the header; tensor data is never touched. Layout rules are those of gguf_init_from_reader: versions 2 and 3, unique keys
/// and names, known tensor types, data one after the other, and all of it within the file. Files of the other byte order are read
/// too, which llama.cpp refuses to run. Bounded by what no real file reaches: 128 MiB of header, 65,536 keys, 131,072 tensors.
/// Errors: io; parse, "FILE: offset N: what is wrong".
Result<GgufHeader> read_gguf_header(const std::filesystem::path& file);

}  // namespace canirun
