#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/units.hpp"

/// \file
/// What llama.cpp's programs print (llama.cpp: tools/fit-params/fit-params.cpp, tools/llama-bench/llama-bench.cpp, common/arg.cpp).

namespace canirun {

/// A line of `llama-fit-params --fit-print on`: "CUDA0 4403 1024 258", in MiB.
struct FitRow {
  std::string device;  ///< ggml's name; "Host" is last.
  Bytes model, context, compute;
};
/// All rows; empty when the text is something else.
std::vector<FitRow> parse_fit_print(std::string_view text);

/// Means of `llama-bench -o json`, tokens a second.
struct BenchResult {
  std::optional<double> generation_tps, prompt_tps;
  std::string build;  ///< Commit of llama.cpp; "" = not said.
};
/// Nothing when the text is something else.
std::optional<BenchResult> parse_bench(std::string_view json);

/// A line of `llama-server --list-devices` (common/arg.cpp): "  CUDA0: NVIDIA GeForce RTX 3090 (24124 MiB, 23861 MiB free)".
struct SeenDevice {
  std::string name, description;
  Bytes total, free;
};
/// All of them, none on a machine without a GPU; nothing when the text is something else.
std::optional<std::vector<SeenDevice>> parse_devices(std::string_view text);

}  // namespace canirun
