#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "gguf_header.hpp"

namespace canirun {

/// Typed access to the keys "<architecture>.<name>" of a header, as llama_model_loader::get_key has it. Keeps the first problem.
class GgufKeys {
 public:
  GgufKeys(const GgufHeader& header, std::string_view arch, std::string_view file) : header_(header), arch_(arch), file_(file) {}

  const GgufValue* find(std::string_view name) const { return header_.find(fmt::format("{}.{}", arch_, name)); }

  /// A whole number that fits 32 bits; `otherwise` when the key is absent.
  std::uint32_t u32(std::string_view name, std::uint32_t otherwise = 0)
  {
    const auto* value = find(name);
    if (!value) return otherwise;
    if (value->is_array || value->whole.size() != 1) return wrong(name, *value, "is not a whole number"), otherwise;
    return number(name, *value, value->whole[0]);
  }
  std::uint32_t required(std::string_view name)
  {
    if (!find(name)) missing(name);
    return u32(name);
  }
  bool boolean(std::string_view name, bool otherwise = false)
  {
    const auto* value = find(name);
    if (!value) return otherwise;
    if (value->is_array || value->kind != GgufValue::Kind::boolean || value->whole.size() != 1) {
      return wrong(name, *value, "is not true or false"), otherwise;
    }
    return value->whole[0] != 0;
  }
  /// The list of an array key; empty when it is absent or not an array.
  std::vector<std::uint32_t> list(std::string_view name)
  {
    const auto* value = find(name);
    if (!value || !value->is_array) return {};
    if (value->whole.size() != value->length)
      return wrong(name, *value, "is not a list of whole numbers"), std::vector<std::uint32_t>{};
    std::vector<std::uint32_t> out;
    out.reserve(value->whole.size());
    for (const auto v : value->whole) out.push_back(number(name, *value, v));
    return out;
  }
  /// One number for all layers or one a layer; of `n_all` layers in the file the first `n` count.
  PerLayer<std::uint32_t> per_layer(std::string_view name, std::uint32_t n_all, std::uint32_t n,
                                    PerLayer<std::uint32_t> otherwise = {})
  {
    const auto* value = find(name);
    if (!value) return otherwise;
    if (!value->is_array) return u32(name);
    auto each = list(name);
    if (each.size() != n_all) {
      wrong(name, *value, fmt::format("has {} numbers for {} layers", value->length, n_all));
      return otherwise;
    }
    each.resize(n);
    return each.empty() ? PerLayer<std::uint32_t>{} : PerLayer<std::uint32_t>(std::move(each));
  }

  void missing(std::string_view name) { note(fmt::format("{}: key '{}.{}' is missing", file_, arch_, name)); }
  void wrong(std::string_view name, const GgufValue& value, std::string_view what)
  {
    note(fmt::format("{}: offset {}: key '{}.{}' {}", file_, value.offset, arch_, name, what));
  }
  const std::optional<std::string>& problem() const { return problem_; }
  std::string_view file() const { return file_; }

 private:
  std::uint32_t number(std::string_view name, const GgufValue& value, std::int64_t v)
  {
    if (v >= 0 && v <= UINT32_MAX) return static_cast<std::uint32_t>(v);
    wrong(name, value, fmt::format("has the impossible value {}", v));
    return 0;
  }
  void note(std::string problem)
  {
    if (!problem_) problem_ = std::move(problem);
  }

  const GgufHeader& header_;
  std::string arch_;
  std::string file_;
  std::optional<std::string> problem_;
};

}  // namespace canirun
