#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/checkpoint.hpp"
#include "canirun/core/placement.hpp"
#include "canirun/core/workload.hpp"

/// \file
/// Command lines that run a model as it was graded: words first, quoted for a shell only where one reads them.

namespace canirun {

struct ModelReport;
struct QuantReport;
struct Report;

/// What llama.cpp's programs are told.
struct RunRequest {
  std::string file;  ///< Path of the model file, or a name that says which one is meant.
  std::uint32_t n_ctx = 0;
  bool embedding = false;
  const Workload& workload;
  const Placement& placement;
  const HardwareProfile& hardware;
  std::optional<CheckpointType> checkpoint;  ///< Of a run with vLLM or transformers.
  std::string projector = {};                ///< Path of the projector file; empty = none.
  std::vector<Bytes> weights = {};           ///< On each GPU of the placement: what transformers is told to put there.
};
/// The run of one row of a report. The parts of the report must outlive it.
RunRequest run_of(const Report& report, const ModelReport& model, const QuantReport& row);

/// Which programs read the words; they know different flags (llama.cpp: common/arg.cpp, set_examples).
enum class LlamaProgram { server, cli };
/// Who decides which GPUs the program sees: the machine has all of its own, a container only those it was given.
enum class Visible { all_gpus, used_gpus };

/// Arguments of llama-server or llama-cli without the program's name. Flags at llama.cpp's defaults are left out.
std::vector<std::string> llama_arguments(const RunRequest& request, LlamaProgram program, Visible visible);

/// Arguments of `vllm serve`: the checkpoint first, then what the row was graded with.
std::vector<std::string> vllm_arguments(const RunRequest& request);

/// One shell line with the Python that generates text with transformers.
std::string transformers_command(const RunRequest& request);
/// A Python string literal.
std::string python_string(std::string_view text);

/// Layers of each GPU of a placement, which llama.cpp accepts as shares and which meet its rounding exactly: "17,16".
std::string tensor_split_text(const Placement& placement);

/// Words as one line for a POSIX shell: what it would split or expand is quoted, control characters are written as $'\x'.
std::string shell_line(std::span<const std::string> words);

}  // namespace canirun
