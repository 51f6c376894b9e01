// zcat gguf-sizes.jsonl.gz | sizes: published file sizes against the catalogue alone.
//
// A record agrees when the estimate is within 1 % and the rounding that its precision states. What llama-quantize chose depends on its
// release and on an importance matrix, which records do not state: of the rules in force between the model's release and the day the
// size was noted, with and without a matrix, the nearest counts. Prints the share, that of the current rules alone (file_bytes of a
// report) and of those of the model's month alone (file_bytes_at_release, where it differs), what was left out and why, and what disagrees and why.

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/core.h>

#include "size_record.hpp"

namespace {

using namespace canirun;

/// Vocabulary, scores and merges in the file's header, bytes a token: of SentencePiece (Gemma: 6.5 MB for 262144 tokens) and of BPE
/// with its merges (Llama 3: 7.8 MB for 128256; Qwen: 5.9 MB for 151936).
double header_bytes(const ModelSpec& model) { return (model.arch.starts_with("gemma") ? 25.0 : 45.0) * model.n_vocab; }

/// Of a published file: the plan's tensors, the MTP blocks that files of GLM 4.5 and later carry and llama.cpp does not load
/// (n_layer_nextn), at the plan's mean bits, and the header.
double published_bytes(const ModelSpec& model, const TensorPlan& plan)
{
  auto bytes = static_cast<double>(plan.total_bytes().count) + header_bytes(model);
  if (model.n_layer_nextn > 0) bytes += plan.bits_per_weight().value / 8 * static_cast<double>(model.n_params_mtp);
  return bytes;
}

class Planner {
 public:
  double bytes(const ModelSpec& model, FileType type, QuantizeOptions options, bool untied)
  {
    const auto [found, is_new] = known_.try_emplace({model.id, type, options.imatrix, options.rules, untied});
    if (is_new) {
      auto spec = model;
      if (untied) spec.tied_embeddings = false;
      found->second = published_bytes(spec, tensor_plan(spec, type, options));
    }
    return found->second;
  }

  /// Of all `rules`, with and without an importance matrix, the size that is nearest to `published`.
  double nearest(const ModelSpec& model, FileType type, const std::vector<QuantizeRules>& rules, double published,
                 bool untied = false)
  {
    double best = std::numeric_limits<double>::infinity();
    for (const auto r : rules) {
      for (const bool imatrix : {false, true}) {
        const auto size = bytes(model, type, {.imatrix = imatrix, .rules = r}, untied);
        if (std::abs(size - published) < std::abs(best - published)) best = size;
      }
    }
    return best;
  }

 private:
  std::map<std::tuple<std::string, FileType, bool, QuantizeRules, bool>, double> known_;
};

struct Disagreement {
  SizeRecord record;
  double estimate = 0;
  bool fits_untied = false;  ///< Agrees if the file has an output matrix that the config does not promise.
  std::string why;
  double percent() const { return 100 * (estimate / record.bytes - 1); }
};

/// A repository whose files all differ by the same share holds other weights than the entry's, unless an output matrix of its own
/// explains all of them; what is left has no known reason.
void explain(std::vector<Disagreement>& list)
{
  std::map<std::string, std::vector<Disagreement*>> by_repository;
  for (auto& d : list) by_repository[d.record.entry + d.record.repository].push_back(&d);
  for (auto& [repository, same] : by_repository) {
    const auto [low, high] = std::ranges::minmax_element(same, {}, [](const Disagreement* d) { return d->percent(); });
    const bool alike = same.size() > 3 && (*high)->percent() - (*low)->percent() < 4;
    const bool untied = std::ranges::all_of(same, &Disagreement::fits_untied);
    for (auto* d : same) {
      d->why = d->record.file.empty()       ? "a page that names no file: its recipe is not known"
               : untied                     ? "the checkpoint stores its output matrix though the config ties it"
               : alike                      ? "all files of the repository alike: other weights under the name"
               : std::abs(d->percent()) < 3 ? "under 3 %, not explained"
                                            : "not explained";
    }
  }
}

void print_groups(const std::map<std::string, std::vector<const Disagreement*>>& groups)
{
  std::vector<std::pair<std::size_t, std::string>> order;
  for (const auto& [why, list] : groups) order.emplace_back(list.size(), why);
  std::ranges::sort(order, std::greater<>());
  for (const auto& [count, why] : order) {
    fmt::print("{:>4}  {}\n", count, why);
    std::map<std::string, std::vector<const Disagreement*>> models;
    for (const auto* d : groups.at(why)) models[d->record.entry + "  " + d->record.repository].push_back(d);
    for (const auto& [name, list] : models) {
      const auto [low, high] = std::ranges::minmax_element(list, {}, [](const Disagreement* d) { return d->percent(); });
      fmt::print("        {:>3} {:<70} {:>+6.1f} % to {:>+6.1f} %  {}\n", list.size(), name, (*low)->percent(),
                 (*high)->percent(), list.front()->record.quant);
    }
  }
}

}  // namespace

int main()
{
  const auto catalogue = Catalogue::builtin();
  if (!catalogue) return 3;
  Planner planner;
  std::map<std::string, std::size_t> left_out;
  std::vector<Disagreement> wrong;
  std::size_t n = 0, agree = 0, agree_now = 0, agree_then = 0;
  for (std::string line; std::getline(std::cin, line);) {
    const auto record = read_size_record(nlohmann::json::parse(line));
    const auto type = parse_file_type(record.quant);
    const auto* entry = record.entry.empty() ? nullptr : catalogue->find(record.entry);
    if (!entry) {
      ++left_out["of no model of the catalogue"];
      continue;
    }
    if (auto why = not_plain(record, *entry)) {
      ++left_out[*why];
      continue;
    }
    if (!type || unplannable(entry->spec)) {
      ++left_out["no file type of llama-quantize, or no tensor plan"];
      continue;
    }
    const auto& spec = entry->spec;
    const auto within = [&](double size) { return std::abs(size - record.bytes) <= 0.01 * record.bytes + record.rounding; };
    const auto rules = possible_rules(record, *entry);
    const auto best = planner.nearest(spec, *type, rules, record.bytes);
    const auto now = QuantizeRules::current, then = rules_of_month(entry->facts.release);
    ++n;
    if (within(planner.nearest(spec, *type, {now}, record.bytes))) ++agree_now;
    if (within(planner.bytes(spec, *type, {.rules = then}, false))) ++agree_then;
    if (within(best)) {
      ++agree;
      continue;
    }
    const bool untied = spec.tied_embeddings && within(planner.nearest(spec, *type, rules, record.bytes, true));
    wrong.push_back({record, best, untied, ""});
  }
  explain(wrong);
  const auto share = [n](std::size_t k) { return n ? 100.0 * static_cast<double>(k) / static_cast<double>(n) : 0.0; };
  fmt::print("{} of {} plain files agree within 1 % and their rounding: {:.1f} %\n", agree, n, share(agree));
  fmt::print("  with the rules of the current release alone: {} ({:.1f} %)\n", agree_now, share(agree_now));
  fmt::print("  with those of the model's month alone, without a matrix: {} ({:.1f} %)\n", agree_then, share(agree_then));
  fmt::print("\nleft out\n");
  for (const auto& [why, count] : left_out) fmt::print("{:>6}  {}\n", count, why);
  fmt::print("\ndisagree\n");
  std::map<std::string, std::vector<const Disagreement*>> groups;
  for (const auto& d : wrong) groups[d.why].push_back(&d);
  print_groups(groups);
}
