#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "allocation_record.hpp"
#include "canirun/formats/catalogue.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

/// An estimate beside what llama.cpp allocated (tests/data/allocations.md).
struct Pair {
  AllocationRecord record;
  MemoryEstimate estimate;
};

const std::vector<Pair>& pairs()
{
  static const auto all = [] {
    std::vector<Pair> found;
    const auto catalogue = Catalogue::builtin();
    REQUIRE(catalogue);
    std::ifstream file(std::string(CANIRUN_TEST_DIR) + "/data/allocations.jsonl");
    std::map<std::pair<std::string, FileType>, TensorPlan> plans;
    for (std::string line; std::getline(file, line);) {
      auto record = parse_allocation_record(line);
      REQUIRE(record);
      const auto* entry = catalogue->find(record->model);
      if (!entry || entry->spec.arch != record->arch || unplannable(entry->spec)) continue;
      auto& plan = plans[{record->model, record->file_type}];
      if (plan.tensors.empty()) plan = tensor_plan(entry->spec, record->file_type);
      auto estimate = estimate_memory(entry->spec, plan, record->workload, placement_of(*record, entry->spec));
      found.push_back({std::move(*record), std::move(estimate)});
    }
    return found;
  }();
  return all;
}

/// Calls `visit(record, ours, theirs)` for every GPU and for the host.
template <typename Visit>
void for_each_device(Visit visit)
{
  for (const auto& [record, estimate] : pairs()) {
    for (std::size_t i = 0; i < record.gpus.size(); ++i) visit(record, estimate, estimate.gpus.at(i), record.gpus[i]);
    visit(record, estimate, estimate.host, record.host);
  }
}

double share(std::size_t n, std::size_t of) { return of ? static_cast<double>(n) / static_cast<double>(of) : 0.0; }

double relative(Bytes ours, Bytes theirs)
{
  return theirs.count ? static_cast<double>(ours.count) / static_cast<double>(theirs.count) - 1 : (ours.count ? 1.0 : 0.0);
}

Bytes known_sum(MemoryParts parts)
{
  parts.runtime_overhead = {};
  return parts.total();
}

}  // namespace

TEST_CASE("most recorded configurations are of models that can be planned", "[allocations]") { CHECK(pairs().size() >= 500); }

TEST_CASE("caches and states equal llama.cpp's to the byte", "[allocations][cache]")
{
  for_each_device([](const auto& record, const auto&, const MemoryParts& ours, const MemoryParts& theirs) {
    CAPTURE(record.model, record.workload.n_ctx, record.n_gpu_layers);
    CHECK(ours.kv_cache == theirs.kv_cache);
    CHECK(ours.recurrent_state == theirs.recurrent_state);
  });
}

TEST_CASE("flash attention becomes what llama.cpp makes of it", "[allocations]")
{
  std::size_t right = 0, n = 0;
  for (const auto& [record, estimate] : pairs()) {
    if (!estimate.compute_known) continue;
    ++n;
    right += estimate.flash_attn == record.flash_attn;
  }
  CHECK(share(right, n) >= 0.99);
}

TEST_CASE("weights equal llama.cpp's to the byte on every device", "[allocations]")
{
  std::size_t right = 0, n = 0;
  for_each_device([&](const auto&, const auto&, const MemoryParts& ours, const MemoryParts& theirs) {
    ++n;
    right += ours.weights == theirs.weights;
  });
  CHECK(share(right, n) >= 0.995);
}

TEST_CASE("compute buffers are within 3 % or 8 MiB, and mostly exact", "[allocations]")
{
  std::size_t near = 0, exact = 0, n = 0;
  for_each_device([&](const auto&, const MemoryEstimate& estimate, const MemoryParts& ours, const MemoryParts& theirs) {
    if (!estimate.compute_known) return;
    ++n;
    exact += ours.compute == theirs.compute;
    const auto difference = static_cast<double>(ours.compute.count) - static_cast<double>(theirs.compute.count);
    near += std::abs(relative(ours.compute, theirs.compute)) <= 0.03 || std::abs(difference) <= 8.0 * 1048576;
  });
  CHECK(share(near, n) >= 0.95);
  CHECK(share(exact, n) >= 0.95);
}

TEST_CASE("device totals are within 1 % and hardly ever too low", "[allocations]")
{
  std::size_t near = 0, low = 0, n = 0;
  for_each_device([&](const auto&, const MemoryEstimate& estimate, const MemoryParts& ours, const MemoryParts& theirs) {
    if (!estimate.compute_known) return;
    ++n;
    const auto error = relative(known_sum(ours), known_sum(theirs));
    near += std::abs(error) <= 0.01;
    low += error < -0.02;
  });
  CHECK(share(near, n) >= 0.95);
  CHECK(share(low, n) <= 0.005);
}

TEST_CASE("architectures that no catalogue entry has, and unfused hyper-connections, take what llama.cpp allocates, to the byte", "[allocations]")
{
  const auto read_all = [](const char* name) {
    std::ifstream file(std::string(CANIRUN_TEST_DIR) + "/data/" + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const auto catalogue = Catalogue::parse(read_all("other-models.json"), "other-models.json");
  REQUIRE(catalogue);
  const auto builtin = Catalogue::builtin();
  REQUIRE(builtin);
  std::istringstream lines(read_all("other-allocations.jsonl"));
  std::size_t n = 0;
  for (std::string line; std::getline(lines, line); ++n) {
    const auto record = parse_allocation_record(line);
    REQUIRE(record);
    const auto* entry = catalogue->find(record->model);
    if (!entry) entry = builtin->find(record->model);
    REQUIRE(entry);
    CAPTURE(line);
    const auto plan = tensor_plan(entry->spec, record->file_type);
    const auto e = estimate_memory(entry->spec, plan, record->workload, placement_of(*record, entry->spec));
    CHECK(e.compute_known);
    const auto compare = [](const MemoryParts& ours, const MemoryParts& theirs) {
      CHECK(ours.weights == theirs.weights);
      CHECK(ours.kv_cache + ours.recurrent_state == theirs.kv_cache);
      CHECK(ours.compute == theirs.compute);
    };
    for (std::size_t i = 0; i < record->gpus.size(); ++i) compare(e.gpus.at(i), record->gpus[i]);
    compare(e.host, record->host);
  }
  CHECK(n > 50);
}
