#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/check.hpp"
#include "canirun/core/checkpoint.hpp"
#include "canirun/core/grade.hpp"
#include "canirun/core/hardware.hpp"
#include "canirun/core/media_run.hpp"
#include "canirun/core/memory.hpp"
#include "canirun/core/speed.hpp"
#include "canirun/core/workload.hpp"

/// \file
/// The answer, complete: every renderer reads this and nothing else.

namespace canirun {

enum class BudgetKind { capacity, free };
std::string_view name(BudgetKind kind);
std::optional<BudgetKind> parse_budget_kind(std::string_view name);

/// One device's line: what the run needs there and what it may use.
struct DeviceReport {
  std::string device;  ///< "gpu0" or "host".
  std::string name;
  MemoryParts parts;
  Bytes budget;
  std::int64_t headroom_bytes() const
  {
    return static_cast<std::int64_t>(budget.count) - static_cast<std::int64_t>(parts.total().count);
  }
};

/// One row: a model at one quantisation, placed, timed and graded.
struct QuantReport {
  FileType quant = FileType::F16;
  std::optional<std::string> quant_label;    ///< For a file of an unknown mix or a checkpoint: what to print instead.
  std::optional<CheckpointType> checkpoint;  ///< Of a row of vLLM; `quant` is the file type nearest to it.
  Grade grade;
  bool fits = false;
  Bytes file_bytes;                            ///< Tensor bytes, as llama-quantize prints; of a file: its size on disk.
  std::optional<Bytes> file_bytes_at_release;  ///< By the rules of llama-quantize when the model came out, where they differ.
  BitsPerWeight bits_per_weight;
  Placement placement;
  bool flash_attn = true;
  bool caches_known = true;
  bool compute_known = true;
  MemoryParts memory;  ///< Σ devices.
  std::vector<DeviceReport> devices;
  SpeedEstimate speed;
  std::optional<std::uint32_t> max_ctx;  ///< Largest context that fits with this placement; at most the trained one.
  std::string file;                      ///< Path of the model file, or the name of the one that is needed.
  std::string command;                   ///< A command line that runs it as it was graded.
  std::vector<std::string> notes;
  std::optional<MediaRun> media;  ///< Of image, video and audio models; `speed` and `max_ctx` are empty then.
};

/// One context length of a heat map: a cell for each row of `ModelReport::quants`.
struct ContextColumn {
  struct Cell {
    Letter grade = Letter::F;
    Bytes total;
  };
  std::uint32_t n_ctx = 0;
  std::vector<Cell> cells;
};

struct ModelReport {
  std::string id;
  std::string name;
  std::string source;  ///< "catalogue" or the path of a file.
  ModelKind kind = ModelKind::text;
  std::vector<std::string> tasks;
  std::uint64_t n_params = 0;
  std::uint64_t n_params_active = 0;
  std::uint32_t n_ctx_train = 0;
  std::uint32_t n_ctx = 0;  ///< The context that was graded.
  std::string release;
  std::string license;
  std::string provider;
  std::string family;
  std::string hf_repo;              ///< Of the published weights, not of a GGUF file.
  std::string diffusers_repo;       ///< Of those in the format of diffusers; empty = none is known.
  std::string ollama;               ///< Tag in Ollama's library.
  std::optional<Letter> grade;      ///< Nothing: no tensor plan for this family.
  std::optional<std::size_t> best;  ///< Index into `quants` of the best one.
  std::vector<QuantReport> quants;
  std::vector<ContextColumn> contexts;  ///< Empty unless asked for (context_columns).
  std::vector<std::string> notes;
};

struct Report {
  std::string machine;  ///< What the machine is called where several are reported; else empty.
  HardwareProfile hardware;
  Workload workload;
  PlacementRequest placement;
  BudgetKind budget = BudgetKind::capacity;
  std::optional<Bytes> reserve;
  std::vector<ModelReport> models;
  std::vector<CheckResult> checks;  ///< One a model when requirements were stated (`check`, --min-grade …), else empty.
};

}  // namespace canirun
