#include <set>

#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"
#include "catch.hpp"
#include "core/quant_types.hpp"

using namespace canirun;
using namespace canirun::testing;

TEST_CASE("plans of the catalogue have the tensors and bytes that llama-quantize chooses", "[plan][quantize]")
{
  const auto catalogue = Catalogue::builtin();
  REQUIRE(catalogue);
  std::set<std::string> architectures;
  for (const auto& r : read_quant_records(CANIRUN_TEST_DIR "/data/quant-types.csv")) {
    const auto* entry = catalogue->find(r.model);
    if (!entry || entry->spec.arch != r.arch || unplannable(entry->spec)) continue;
    const auto plan = tensor_plan(entry->spec, r.file_type, {.imatrix = r.imatrix});
    CAPTURE(entry->spec.arch, r.model, name(r.file_type), r.imatrix);
    CHECK(plan.n_params() == r.n_params);
    CHECK(plan.total_bytes().count == r.tensor_bytes);
    CHECK(tensors_by_type(plan.tensors) == r.tensors_by_type);
    architectures.insert(entry->spec.arch);
  }
  CHECK(architectures.size() >= 13);
}

TEST_CASE("files of older releases of llama-quantize have their sizes", "[plan][quantize]")
{
  struct Row {
    const char* model;
    FileType type;
    QuantizeRules rules;
    double gib;
    double rounding;
  };
  // Llama 2 70B: 29.28 GB in TheBloke's lists of 2023, 23.71 GiB in the table of llama.cpp pull 5060. Phi-4, Gemma 3n and StarCoder 2: file lists of their repositories
  // (unsloth, bartowski, Ollama 1.1 GB), to the digits given there.
  const auto row = GENERATE(Row{"llama-2-70b", FileType::Q2_K, QuantizeRules::until_2024_01_11, 27.269, 0.005},
                            Row{"llama-2-70b", FileType::Q2_K, QuantizeRules::until_2024_02_22, 23.71, 0.005},
                            Row{"starcoder2-3b", FileType::Q2_K, QuantizeRules::until_2024_02_22, 1.02, 0.05},
                            Row{"phi-4-14b", FileType::Q2_K, QuantizeRules::until_2026_03_10, 5.2, 0.05},
                            Row{"phi-4-14b", FileType::Q4_0, QuantizeRules::until_2026_03_10, 7.8, 0.05},
                            Row{"gemma-3n-e4b", FileType::Q4_K_M, QuantizeRules::until_2026_03_10, 3.9, 0.05},
                            Row{"gemma-3n-e4b", FileType::Q2_K, QuantizeRules::until_2026_03_10, 2.6, 0.05});
  const auto catalogue = Catalogue::builtin();
  REQUIRE(catalogue);
  const auto& spec = catalogue->find(row.model)->spec;
  CAPTURE(row.model, name(row.type));
  const auto old = tensor_plan(spec, row.type, {.rules = row.rules}).total_bytes();
  CHECK(to_gib(old).value == Approx(row.gib).margin(row.rounding));
  const auto current = tensor_plan(spec, row.type).total_bytes();
  if (row.rules == QuantizeRules::until_2024_01_11) CHECK(old.count > current.count);
  if (row.type == FileType::Q4_0) CHECK(old == current);
}
