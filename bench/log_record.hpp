#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/memory.hpp"
#include "canirun/formats/catalogue.hpp"

/// \file
/// A load log that somebody pasted: buffers as llama.cpp printed them, in MiB with two decimals, and what the excerpt says of flags.

namespace canirun {

struct LogRecord {
  std::string id;
  std::string engine;
  std::string model;
  std::vector<std::string> devices;
  const CatalogueEntry* entry = nullptr;
  ModelSpec spec;  ///< The entry's, with the heads that the log prints (files of DeepSeek before 2025-04 cache full heads).
  std::optional<FileType> file_type;
  bool own_mix = false;  ///< The file's name or table says that llama-quantize's own choice of types was overruled.
  Workload workload;
  bool n_ctx_known = false;
  bool n_ubatch_known = false;  ///< Printed, or the whole command is there.
  bool other_backend = false;   ///< A device whose buffers are not modelled: RPC, Hexagon.
  bool mapped_range = false;    ///< A GPU maps the file: its buffer is a range of it, with what the host uses in between.
  bool drafts = false;          ///< Blocks for several tokens at once run beside the model: states and buffers of their own.
  bool overrides = false;       ///< -ot, --cpu-moe and the like: which tensors moved is not known here.
  std::optional<std::uint32_t> offloaded, offloadable;
  bool older_placement = false;  ///< Before 2025-12, or a runtime that lags.
  Backend backend = Backend::cpu;
  std::size_t n_gpus = 0;
  double file_gib = 0;  ///< Of all tensors, as printed; 0 = not printed.
  bool oom = false;

  /// A printed buffer kind, summed over GPUs and over the host; nothing where the excerpt lacks it.
  struct Sums {
    std::optional<double> gpu, host;
  };
  Sums weights, kv, state, compute;

  bool mainline() const;
};

/// The record of a line; nothing for one that is marked as suspect or as a duplicate.
std::optional<LogRecord> parse_log_record(std::string_view line, const Catalogue& catalogue);

}  // namespace canirun
