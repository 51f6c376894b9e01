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
  for (const auto t : all_checkpoint_types()) known.emplace_back(name(t));
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
      asked.checkpoints.assign(all_checkpoint_types().begin(), all_checkpoint_types().end());
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
  if (asked.file_types.empty() && asked.checkpoints.empty())
    return fail(ErrorKind::invalid_argument, "--quant needs a name, such as Q4_K_M");
  return asked;
}

Result<void> take_quants(const AskedQuants& asked, Question& question)
{
  if (question.workload.runtime == Runtime::vllm) {
    if (!asked.no_checkpoint.empty()) {
      return fail(
          ErrorKind::invalid_argument,
          fmt::format("vLLM does not run {} here; its quantisations are BF16, FP8, AWQ, GPTQ and MXFP4", asked.no_checkpoint));
    }
    if (question.workload.projector) {
      return fail(ErrorKind::invalid_argument,
                  "--mmproj is a file of llama.cpp; vLLM loads its checkpoint's encoders anyway: leave it out");
    }
    question.checkpoints = asked.checkpoints;
    return {};
  }
  if (!asked.no_file_type.empty()) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("{} is a checkpoint of vLLM, not a GGUF file; add --runtime vllm", asked.no_file_type));
  }
  question.quants = asked.file_types;
  return {};
}

}  // namespace canirun
