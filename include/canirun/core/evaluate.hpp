#pragma once

#include <memory>
#include <span>

#include "canirun/core/checkpoint.hpp"
#include "canirun/core/report.hpp"

/// \file
/// The chain for one model: plan → estimate → place → speed → grade. Everything that loops over models, machines or settings
/// (ranking, plan, fleet, check) calls this.

namespace canirun {

/// What a user asks of every model.
struct Question {
  Workload workload;
  PlacementRequest placement;
  BudgetKind budget = BudgetKind::capacity;
  std::optional<Bytes> reserve;             ///< Instead of the default reserve, on every device.
  std::vector<FileType> quants;             ///< Empty = the default list and the model's native type.
  std::vector<CheckpointType> checkpoints;  ///< The same for runtimes whose rows are checkpoints, not GGUF files.
  bool best_only = false;                   ///< Keep only the best row (`--all`).
  MediaRequest media;                       ///< Of image and video models.
};

/// What is known of a model apart from its shapes: goes into the report as it is.
struct ModelFacts {
  std::string source = "catalogue";
  std::vector<std::string> tasks;
  std::string release, license, provider, family;
  std::string hf_repo;         ///< Hugging Face repository of the published weights; empty = none is known.
  std::string diffusers_repo;  ///< The one in the format of diffusers (model_index.json), of image and video models.
  std::string ollama;          ///< Tag in Ollama's library; empty = none is known.
};

/// Every quantisation of one model on one machine, each at its best placement (or the stated one), and the best of them.
ModelReport evaluate(const ModelSpec& model, const ModelFacts& facts, const HardwareProfile& hardware, const Question& question);

/// The same for one model on many machines: its tensors and the graphs that were replayed are kept from machine to machine, which is
/// what makes a fleet cheap. The model must outlive it. Not for several threads at a time.
class Evaluation {
 public:
  Evaluation(const ModelSpec& model, ModelFacts facts, Question question);
  ~Evaluation();
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  /// What `evaluate` returns for this machine.
  ModelReport on(const HardwareProfile& hardware);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What a run may use on a device (product.md "Budget"): total minus the driver's reserve, or what is free now.
Bytes gpu_budget(const Gpu& gpu, const HardwareProfile& hardware, const Question& question);
Bytes host_budget(const HardwareProfile& hardware, const Question& question);
/// Memory of a GPU that RAM does not share: all of a discrete card, the carve-out of a unified one. What a unified GPU takes
/// beyond it comes out of the host's budget.
Bytes own_memory(const Gpu& gpu);

}  // namespace canirun
