#include <map>

#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

/// Tensors that GGUF files have and published counts do not: long and short rope factors, per-layer rope frequencies.
std::uint64_t uncounted(const TensorPlan& plan)
{
  std::uint64_t n = 0;
  for (const auto& t : plan.tensors) {
    if (plan.roles[t.role].name.starts_with("rope_f")) n += t.n_elements();
  }
  return n;
}

/// Published counts that differ from what llama.cpp counts, and by how much.
const std::map<std::string, std::int64_t> k_known_differences{
    // 64 rows of the vocabulary that no token has: conversion cuts them (conversion/gemma.py).
    {"gemma-3-4b", -64 * 2560},
    {"gemma-3-12b", -64 * 3840},
    {"gemma-3-27b", -64 * 5376},
    {"medgemma-4b", -64 * 2560},
    // Weights of layers that use another layer's cache are in the file all the same.
    {"gemma-4-e2b", 18'880'512},
    {"gemma-4-e4b", 55'055'616},
    // Two xIELU numbers a layer are metadata in a GGUF file, not tensors.
    {"apertus-8b", -64},
    // Tables from tokens to experts, 6 · 129280 in each of 3 layers: numbers, not weights, but llama.cpp counts them.
    {"deepseek-v4-flash", 3 * 6 * 129280},
    {"deepseek-v4-pro", 3 * 6 * 129280},
};

}  // namespace

TEST_CASE("the plan of every exact catalogue entry has the published number of parameters", "[catalogue][plan]")
{
  const auto catalogue = Catalogue::builtin();
  REQUIRE(catalogue);
  std::size_t planned = 0;
  for (const auto& entry : catalogue->entries()) {
    const auto& spec = entry.spec;
    if (entry.confidence != Confidence::exact || unplannable(spec) || spec.kind != ModelKind::text) continue;
    ++planned;
    const auto plan = tensor_plan(spec, FileType::F16);
    CAPTURE(spec.id, spec.arch);
    const auto known = k_known_differences.find(spec.id);
    const auto difference =
        static_cast<std::int64_t>(plan.n_params() - uncounted(plan)) - static_cast<std::int64_t>(spec.n_params);
    CHECK(difference == (known == k_known_differences.end() ? 0 : known->second));
  }
  CHECK(planned > 100);
}
