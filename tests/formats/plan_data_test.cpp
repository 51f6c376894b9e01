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
