#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "canirun/core/evaluate.hpp"

/// \file
/// What it would take to run a model, and the best way to run it here: searches over the same chain as `evaluate`.

namespace canirun {

/// What a run must reach.
struct Requirement {
  Letter min_grade = Letter::B;
  std::optional<double> min_speed;  ///< Tokens a second.
};

/// A card that may be bought or rented, at one memory size.
struct PlanCard {
  std::string id;  ///< Of the GPU table.
  std::string name;
  Gpu gpu;
};

/// A machine that meets the requirement: `count` equal cards, or a unified machine, or CPU only (`count` 0).
struct PlannedMachine {
  std::string name;  ///< "2 × GeForce RTX 3090", "Apple M4 Pro, 48 GiB", "CPU".
  std::string card_id;
  std::uint32_t count = 0;
  Bytes vram;                ///< Of all its cards together.
  HardwareProfile hardware;  ///< Graded by `evaluate`, it meets the requirement.
  Grade grade;
  double headroom = 0;
  std::optional<double> tokens_per_second;
};

/// The least of each resource, the others being plentiful. Nothing where no amount is enough.
struct LeastHardware {
  std::optional<Bytes> vram;        ///< On one card that holds everything.
  std::optional<Bytes> ram;         ///< Without a GPU.
  std::optional<double> bandwidth;  ///< B/s of that card, for the speed that is asked.
};

struct HardwarePlan {
  std::string quant;  ///< "Q4_K_M", "AWQ".
  LeastHardware least;
  std::string refused;                   ///< Why the runtime takes it nowhere; empty where more hardware helps.
  std::vector<PlannedMachine> machines;  ///< Smallest memory first, then fewer cards, then slower ones.
};

/// What runs `model` at `quant` as `question` asks. `host` supplies CPU and RAM of machines with discrete cards; its GPUs are not used.
/// Precondition: !unplannable(model).
HardwarePlan plan_hardware(const ModelSpec& model, FileType quant, const Question& question, const Requirement& requirement,
                           const HardwareProfile& host, std::span<const PlanCard> cards);
/// The same of a checkpoint with the question's runtime.
HardwarePlan plan_hardware(const ModelSpec& model, const ModelFacts& facts, CheckpointType type, const Question& question,
                           const Requirement& requirement, const HardwareProfile& host, std::span<const PlanCard> cards);
/// Of a checkpoint where none was asked for: four bits, or the type that it was published in.
CheckpointType usual_checkpoint(const ModelSpec& model, Runtime runtime);

enum class Goal { quality, speed, context, users };
std::string_view name(Goal goal);
std::optional<Goal> parse_goal(std::string_view text);

/// Settings for this machine, found by search.
struct Settings {
  FileType quant = FileType::Q4_K_M;
  Workload workload;  ///< n_ctx, cache types, n_seq_max.
  QuantReport row;    ///< As `evaluate` grades it.
};

/// The best settings under a goal that reach the requirement: the most bits (quality), the fastest with at least Q4_K_S's bits
/// (speed), the longest context, the most parallel slots of `question`'s context (users). Ties: more bits, then unquantised caches. Nothing when no settings reach it. Precondition: !unplannable(model).
std::optional<Settings> best_settings(const ModelSpec& model, const ModelFacts& facts, const HardwareProfile& hardware,
                                      const Question& question, const Requirement& requirement, Goal goal);

}  // namespace canirun
