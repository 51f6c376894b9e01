#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canirun/core/evaluate.hpp"

/// \file
/// Many machines: equal ones are folded into classes, every model is evaluated once a class, and the table answers an operator's
/// questions (docs/fleet/README.md). A caller of the chain: no part of an answer is computed here.

namespace canirun {

/// Machines that give the same answers. Sizes within 1/64 count as equal (kernels and drivers keep a little for themselves, and not
/// always the same), measured rates within a tenth.
struct MachineClass {
  std::string id;            ///< 12 hexadecimal digits, the same for the same machines in any fleet.
  std::string name;          ///< "2 × NVIDIA A100 SXM4 80GB, 512 GiB RAM, 64 cores".
  HardwareProfile hardware;  ///< Of each figure the least among the machines: what holds for it holds for all.
  std::uint64_t machines = 0;
  std::vector<std::string> hosts;  ///< Of the profiles that name one, sorted.
};

/// "2 × NVIDIA A100 SXM4 80GB, 512 GiB RAM, 64 cores".
std::string machine_name(const HardwareProfile& hardware);

/// Takes profiles in any order and any number; keeps one machine a class. `classes()` does not depend on the order.
class ClassFolder {
 public:
  /// What is free now counts only where a question asks for it.
  explicit ClassFolder(BudgetKind budget) : budget_(budget) {}

  void add(HardwareProfile profile);
  /// Hosts that came more than once, each with the number of its profiles. The profile with the least memory counts, once.
  std::vector<std::pair<std::string, std::uint64_t>> repeated() const;
  /// Most machines first, then by key.
  std::vector<MachineClass> classes() const;

 private:
  struct Folded {
    HardwareProfile least;
    std::uint64_t machines = 0;
    std::vector<std::string> hosts;
  };
  struct NamedHost {
    std::map<std::string, HardwareProfile> least;  ///< By class key.
    std::uint64_t profiles = 0;
  };

  BudgetKind budget_;
  std::map<std::string, Folded> folded_;  ///< Of the profiles without a name, by class key.
  std::map<std::string, NamedHost> named_;
};

/// One model on one class: its best row, as far as a fleet asks.
struct FleetCell {
  std::optional<Letter> grade;  ///< Nothing: no tensor plan for this family.
  std::string quant;            ///< Empty with no grade.
  bool fits = false;
  Placement::Mode mode = Placement::Mode::none;
  std::optional<double> tokens_per_second;
  Bytes memory;                          ///< Of all devices together.
  std::optional<std::uint32_t> max_ctx;  ///< With this quantisation and placement.
  std::optional<std::uint32_t> users;    ///< Sequences of the context at the same time; nothing where it was not asked.
  friend bool operator==(const FleetCell&, const FleetCell&) = default;
};

struct FleetModel {
  std::string id;
  std::string name;
  std::uint64_t n_params = 0;
  std::uint32_t n_ctx = 0;         ///< The context that was graded.
  std::vector<FleetCell> cells;    ///< One a column of the fleet.
};

/// A change of hardware that an operator can order. `gpu` in place of the GPUs that are there.
struct UpgradeOption {
  enum class Kind { more_ram, another_gpu, gpu };
  Kind kind = Kind::more_ram;
  std::string name;  ///< "twice the RAM", "one more equal GPU", "GeForce RTX 5090".
  std::optional<Gpu> gpu;
};
/// The machine after it; nothing where it cannot be done: memory that is soldered, machines that take no card.
std::optional<HardwareProfile> upgraded(const HardwareProfile& hardware, const UpgradeOption& option);

struct FleetQuestion {
  Question question;         ///< best_only is set by the evaluation.
  Letter least = Letter::D;  ///< From this grade on a class "runs" a model.
  bool users = true;         ///< Count the users, which costs about four more evaluations a cell.
};

/// Columns are the classes, then the distinct machines that upgrades make of them.
struct Fleet {
  std::vector<MachineClass> classes;
  std::vector<UpgradeOption> upgrades;
  /// For each upgrade and class: the column of the upgraded machine; nothing where it cannot be done.
  std::vector<std::vector<std::optional<std::size_t>>> upgraded_columns;
  std::vector<HardwareProfile> columns;
  std::vector<FleetModel> models;
  Letter least = Letter::D;

  std::uint64_t machines() const;
  bool runs(const FleetCell& cell) const { return cell.grade && cell.fits && *cell.grade >= least; }
};

/// The classes and upgrades as columns, no model yet.
Fleet make_fleet(std::vector<MachineClass> classes, std::vector<UpgradeOption> upgrades, const FleetQuestion& question);

/// One line of the table. Pure; models may be evaluated on several threads.
FleetModel evaluate_on_fleet(const ModelSpec& model, const ModelFacts& facts, const Fleet& fleet, const FleetQuestion& question);

/// The fewest classes that together run every model that any class runs.
struct Cover {
  std::vector<std::size_t> classes;    ///< In the order of the fleet.
  std::vector<std::size_t> uncovered;  ///< Models that no class runs.
  bool exact = true;                   ///< false: too many classes to try all sets; a greedy choice, at most ln(models) times larger.
};
Cover smallest_cover(const Fleet& fleet);

/// What one upgrade would change, over all machines that can have it.
struct UpgradeEffect {
  std::size_t upgrade = 0;             ///< Index into Fleet::upgrades.
  std::uint64_t machines = 0;          ///< That run at least one more model.
  std::uint64_t more = 0;              ///< Σ models more, over machines.
  std::vector<std::size_t> classes;    ///< Of these machines.
};
/// Most machines first, then more models, then the earlier option. Those that help nobody are left out.
std::vector<UpgradeEffect> upgrade_effects(const Fleet& fleet);

/// Two versions of a model side by side.
struct VersionDifference {
  std::string what;  ///< "parameters", "weights, Q4_K_M".
  std::string a, b;
};
struct Comparison {
  std::size_t a = 0, b = 0;                   ///< Indices into Fleet::models.
  std::vector<VersionDifference> differences;  ///< Only where they differ.
  std::vector<std::size_t> lost, gained;       ///< Classes that run only `a`, only `b`.
  std::uint64_t machines_lost = 0, machines_gained = 0;
};
/// Fills in the classes and machines of `comparison`.
void compare_on_fleet(const Fleet& fleet, Comparison& comparison);
/// What the models themselves differ in: shapes, and what they need at the context of `question` at one quantisation.
std::vector<VersionDifference> version_differences(const ModelSpec& a, const ModelFacts& facts_a, const ModelSpec& b,
                                                   const ModelFacts& facts_b, const Question& question);

/// The answer, complete: every renderer of a fleet reads this and nothing else.
struct FleetReport {
  Fleet fleet;
  Workload workload;
  BudgetKind budget = BudgetKind::capacity;
  Cover cover;
  std::vector<UpgradeEffect> upgrades;
  std::optional<Comparison> comparison;
};
/// Fills in the answers once all models are evaluated.
void answer_fleet(FleetReport& report);

}  // namespace canirun
