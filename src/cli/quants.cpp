#include "quants.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

#include "formats/edit_distance.hpp"
#include "option_values.hpp"

namespace canirun {

namespace {

template <typename T>
void add_once(std::vector<T>& values, T value)
{
  if (std::ranges::find(values, value) == values.end()) values.push_back(value);
}

std::string unknown(std::string_view item)
{
  std::vector<std::string> known;
  for (const auto t : all_file_types()) known.emplace_back(name(t));
  for (const auto runtime : {Runtime::vllm, Runtime::transformers, Runtime::diffusers}) {
    for (const auto t : checkpoint_types(runtime)) known.emplace_back(name(t));
  }
  const auto near = nearest(item, known);
  return fmt::format("no quantisation is called '{}'; {}`--quant all` lists them", item,
                     near.empty() ? "" : fmt::format("did you mean '{}'? ", near));
}

}  // namespace

Result<AskedQuants> parse_quants(std::string_view text)
{
  AskedQuants asked;
  for (const auto& item : split_list(text)) {
    if (item == "all" || item == "ALL") {
      asked.file_types.assign(all_file_types().begin(), all_file_types().end());
      asked.all = true;
      continue;
    }
    const auto type = parse_file_type(item);
    const auto checkpoint = parse_checkpoint_type(item);
    if (!type && !checkpoint) return fail(ErrorKind::invalid_argument, unknown(item));
    if (type) add_once(asked.file_types, *type);
    else if (asked.no_file_type.empty()) asked.no_file_type = item;
    if (checkpoint) add_once(asked.checkpoints, *checkpoint);
    else if (asked.no_checkpoint.empty()) asked.no_checkpoint = item;
  }
  if (asked.file_types.empty() && asked.checkpoints.empty() && !asked.all)
    return fail(ErrorKind::invalid_argument, "--quant needs a name, such as Q4_K_M");
  return asked;
}

namespace {

/// "BF16, FP8, AWQ": what a runtime loads, most bits first.
std::string names_of(std::span<const CheckpointType> types)
{
  std::string text;
  for (std::size_t i = types.size(); i-- > 0;) text += fmt::format("{}{}", name(types[i]), i == 0 ? "" : i == 1 ? " and " : ", ");
  return text;
}

}  // namespace

Result<void> take_quants(const AskedQuants& asked, Question& question)
{
  const auto runtime = question.workload.runtime;
  if (loads_checkpoints(runtime)) {
    const auto types = checkpoint_types(runtime);
    const auto runs = [&](CheckpointType type) { return std::ranges::find(types, type) != types.end(); };
    auto wrong = asked.no_checkpoint;
    for (const auto type : asked.checkpoints) {
      if (wrong.empty() && !runs(type)) wrong = name(type);
    }
    if (!wrong.empty()) {
      return fail(ErrorKind::invalid_argument,
                  fmt::format("{} does not run {} here; its quantisations are {}", name(runtime), wrong, names_of(types)));
    }
    if (question.workload.projector) {
      return fail(ErrorKind::invalid_argument, fmt::format("--mmproj is a file of llama.cpp; {} loads its checkpoint's encoders "
                                                           "anyway: leave it out",
                                                           name(runtime)));
    }
    question.checkpoints = asked.checkpoints;
    if (asked.all) question.checkpoints.assign(types.begin(), types.end());
    return {};
  }
  if (!asked.no_file_type.empty()) {
    return fail(
        ErrorKind::invalid_argument,
        fmt::format("{} is a checkpoint, not a GGUF file; add --runtime vllm, transformers or diffusers", asked.no_file_type));
  }
  question.quants = asked.file_types;
  return {};
}

}  // namespace canirun
