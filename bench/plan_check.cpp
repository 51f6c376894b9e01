// plan_check [FILE]...: compares tensor plans with records of what llama-quantize chose.
//
// Each line of a file (or of standard input) is a JSON object: model, file_type, imatrix (optional), n_params, tensor_bytes and
// types {ggml type: {n: tensors}}. Prints how many records of each architecture are exact, and the first difference of each model.

#include <cstdint>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "canirun/core/file_type.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"

namespace {

using namespace canirun;

struct Tally {
  int total = 0, exact = 0, unplanned = 0;
};

std::map<std::string, int> counts(const TensorPlan& plan)
{
  std::map<std::string, int> n;
  for (const auto& t : plan.tensors) ++n[std::string(traits(t.type).name)];
  return n;
}

std::string words(const std::map<std::string, int>& counts)
{
  std::string text;
  for (const auto& [type, n] : counts) text += fmt::format(" {}:{}", type, n);
  return text;
}

class Check {
 public:
  explicit Check(const Catalogue& catalogue) : catalogue_(catalogue) {}

  void read(std::istream& in)
  {
    for (std::string line; std::getline(in, line);) {
      if (!line.empty()) record(nlohmann::json::parse(line));
    }
  }

  void print() const
  {
    Tally all;
    fmt::print("{:<18} {:>7} {:>7} {:>9}\n", "architecture", "exact", "of", "unplanned");
    for (const auto& [arch, t] : tallies_) {
      fmt::print("{:<18} {:>7} {:>7} {:>9}\n", arch, t.exact, t.total, t.unplanned);
      all.exact += t.exact;
      all.total += t.total;
      all.unplanned += t.unplanned;
    }
    fmt::print("{:<18} {:>7} {:>7} {:>9}\n", "all", all.exact, all.total, all.unplanned);
  }

 private:
  void record(const nlohmann::json& r)
  {
    const auto model = r.at("model").get<std::string>();
    const auto type = parse_file_type(r.at("file_type").get<std::string>());
    const auto* entry = catalogue_.find(model);
    if (!type || !entry || entry->spec.arch != r.value("arch", entry->spec.arch)) {
      if (reported_.insert(model).second) fmt::print("{}: not in the catalogue\n", model);
      return;
    }
    auto& tally = tallies_[entry->spec.arch];
    ++tally.total;
    if (const auto reason = unplannable(entry->spec)) {
      ++tally.unplanned;
      return;
    }
    const auto plan = tensor_plan(entry->spec, *type, {.imatrix = r.value("imatrix", false)});
    std::map<std::string, int> expected;
    for (const auto& [name, n] : r.at("types").items()) expected[name] = n.at("n").get<int>();
    const auto n_params = r.at("n_params").get<std::uint64_t>();
    const auto n_bytes = r.at("tensor_bytes").get<std::uint64_t>();
    const auto got = counts(plan);
    if (plan.total_bytes().count == n_bytes && plan.n_params() == n_params && got == expected) {
      ++tally.exact;
    } else if (reported_.insert(model).second) {
      fmt::print("{} {} {}: parameters {:+}, bytes {:+}; planned{}, recorded{}\n", entry->spec.arch, model, name(*type),
                 static_cast<std::int64_t>(plan.n_params() - n_params),
                 static_cast<std::int64_t>(plan.total_bytes().count - n_bytes), words(got), words(expected));
    }
  }

  const Catalogue& catalogue_;
  std::map<std::string, Tally> tallies_;
  std::set<std::string> reported_;
};

}  // namespace

int main(int argc, char** argv)
try {
  const auto catalogue = Catalogue::builtin();
  if (!catalogue) {
    fmt::print(stderr, "plan_check: {}\n", catalogue.error().message);
    return 2;
  }
  Check check(*catalogue);
  if (argc < 2) check.read(std::cin);
  for (int i = 1; i < argc; ++i) {
    std::ifstream in(argv[i]);
    if (!in) {
      fmt::print(stderr, "plan_check: cannot read {}\n", argv[i]);
      return 2;
    }
    check.read(in);
  }
  check.print();
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "plan_check: {}\n", error.what());
  return 2;
}
