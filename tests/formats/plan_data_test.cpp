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

namespace {

/// Rope factors are in a GGUF file and in no published count.
std::uint64_t n_rope_factors(const TensorPlan& plan)
{
  std::uint64_t n = 0;
  for (const auto& t : plan.tensors) {
    if (t.name.starts_with("rope_f")) n += t.n_elements();
  }
  return n;
}

/// Architectures whose files have other tensors than the published weights, by the conversion of llama.cpp (docs/memory-model.md).
bool file_differs(std::string_view arch)
{
  static const std::set<std::string_view> k_archs = {
      "gemma3",      // 64 rows of the vocabulary fewer
      "gemma4",      // keys and values of layers that share a cache
      "rwkv7",       // dummy tensors of layer 0
      "falcon-h1",   // scales folded into weights
      "deepseek4",   // hash tables
      "bert", "nomic-bert", "nomic-bert-moe", "modern-bert",  // no pooler, no expert biases
  };
  return k_archs.contains(arch);
}

}  // namespace

TEST_CASE("plans of exact catalogue entries have the published number of parameters", "[plan][catalogue]")
{
  const auto catalogue = Catalogue::builtin();
  REQUIRE(catalogue);
  int checked = 0;
  for (const auto& entry : catalogue->entries()) {
    if (entry.confidence != Confidence::exact || file_differs(entry.spec.arch) || unplannable(entry.spec)) continue;
    const auto plan = tensor_plan(entry.spec, FileType::F16);
    const auto n = plan.n_params() - n_rope_factors(plan);
    CAPTURE(entry.spec.id, entry.spec.arch);
    CHECK(n == entry.spec.n_params);
    ++checked;
  }
  CHECK(checked > 100);
}
