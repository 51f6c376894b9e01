#include "canirun/core/tensor_plan.hpp"

#include <algorithm>
#include <unordered_set>

#include "arch/registry.hpp"
#include "arch/tensor_name.hpp"
#include "quantize.hpp"

namespace canirun {
namespace {

/// The tensors of a file that its architecture did not ask for: MTP blocks (not loaded without speculation), or everything where the
/// architecture is unknown here.
void add_file_tensors(const ModelSpec& model, TensorPlan& plan)
{
  std::unordered_set<std::string> known;
  for (const auto& t : plan.tensors) known.insert(plan.name(t));
  NamedTensors rest(plan, model.arch);
  for (const auto& source : model.tensors) {
    if (known.contains(source.name)) continue;
    auto& t = rest.append(source.name);
    std::copy_n(source.shape.begin(), std::min<std::size_t>(source.shape.size(), t.ne.size()), t.ne.begin());
    t.type = source.type;
    t.loaded = t.place != TensorPlace::repeating || t.layer < model.n_layer || model.n_layer_nextn == 0;
  }
  if (plan.slots.empty() && !plan.find("output.weight")) {
    const auto* embd = plan.find("token_embd.weight");
    if (embd) plan.tensors[static_cast<std::size_t>(embd - plan.tensors.data())].duplicated_output = true;
  }
}

}  // namespace

std::string TensorPlan::name(const PlannedTensor& t) const { return full_name(roles[t.role], t.layer); }

const PlannedTensor* TensorPlan::find(std::string_view wanted) const
{
  const auto found = std::ranges::find_if(tensors, [&](const PlannedTensor& t) {
    return wanted.ends_with(roles[t.role].name) && name(t) == wanted;
  });
  return found == tensors.end() ? nullptr : &*found;
}

Bytes TensorPlan::total_bytes() const
{
  Bytes sum;
  for (const auto& t : tensors) sum += t.bytes();
  return sum;
}

std::uint64_t TensorPlan::n_params() const
{
  std::uint64_t sum = 0;
  for (const auto& t : tensors) sum += t.n_elements();
  return sum;
}

BitsPerWeight TensorPlan::bits_per_weight() const { return canirun::bits_per_weight(total_bytes(), n_params()); }

BitsPerWeight bits_per_weight(Bytes bytes, std::uint64_t n_params)
{
  return {n_params > 0 ? 8.0 * static_cast<double>(bytes.count) / static_cast<double>(n_params) : 0.0};
}

std::optional<std::string> unplannable(const ModelSpec& model)
{
  if (!model.tensors.empty() || find_architecture(model.arch)) return std::nullopt;
  if (model.kind != ModelKind::text && model.kind != ModelKind::embedding) {
    return "it is an image, video or speech model, which llama.cpp does not run";
  }
  if (model.arch.empty()) return "llama.cpp has no architecture for this model";
  return "the architecture '" + model.arch + "' has no tensor plan yet";
}

TensorPlan declare_tensors(const ModelSpec& model)
{
  TensorPlan plan;
  bool complete = false;
  if (const auto* arch = find_architecture(model.arch)) {
    Builder builder(model, plan);
    arch->build(builder);
    complete = arch->has_graph && builder.complete();
  }
  if (!complete) plan.slots.clear();
  if (!model.tensors.empty()) add_file_tensors(model, plan);
  return plan;
}

QuantizeRules rules_of_month(std::string_view month)
{
  if (month.empty() || month > "2026-03") return QuantizeRules::current;
  return month > "2024-02"   ? QuantizeRules::until_2026_03_10
         : month > "2024-01" ? QuantizeRules::until_2024_02_22
                             : QuantizeRules::until_2024_01_11;
}

TensorPlan tensor_plan(const ModelSpec& model, FileType type, QuantizeOptions options)
{
  auto plan = declare_tensors(model);
  if (model.tensors.empty()) choose_tensor_types(model, type, options, plan);
  return plan;
}

}  // namespace canirun
