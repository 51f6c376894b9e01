#pragma once

#include <string>
#include <string_view>

#include "canirun/core/evaluate.hpp"
#include "canirun/core/result.hpp"

namespace canirun {

/// What --quant names: file types of llama.cpp, checkpoint types of other runtimes, or names that are both (BF16, MXFP4). Which of them
/// count is decided by --runtime, which may come later on the command line.
struct AskedQuants {
  std::vector<FileType> file_types;
  std::vector<CheckpointType> checkpoints;
  bool all = false;
  std::string no_file_type;   ///< The first name that no GGUF file has; "" = there is none.
  std::string no_checkpoint;  ///< The first name that no checkpoint has.
};
/// A list with commas, or all. Errors: invalid_argument with the nearest name.
Result<AskedQuants> parse_quants(std::string_view text);

/// The part that the runtime of the question runs; an error when a name is of another one.
Result<void> take_quants(const AskedQuants& asked, Question& question);

}  // namespace canirun
