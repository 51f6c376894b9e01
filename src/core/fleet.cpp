#include "canirun/core/fleet.hpp"

#include <algorithm>
#include <memory>

namespace canirun {

namespace {

// The slots that `plan --goal users` tries too.
constexpr std::uint32_t k_most_users = 32;

/// Memory of one pool that the maker solders in.
bool is_closed(const HardwareProfile& p)
{
  return std::ranges::any_of(p.gpus, [](const Gpu& g) { return g.unified_memory && g.vendor != "AMD" && g.vendor != "Intel"; });
}

/// How many sequences of the context fit at the same time at the model's best quantisation: 1, 2, 4 … 32. A question a number of
/// slots, kept from machine to machine.
class Users {
 public:
  Users(const ModelSpec& model, const ModelFacts& facts, const FleetQuestion& question) : model_(model), facts_(facts), question_(question) {}

  std::uint32_t on(const HardwareProfile& hardware, FileType quant, std::uint32_t n_ctx)
  {
    std::uint32_t most = 1;  // the cell itself
    for (std::uint32_t n = 2; n <= k_most_users && serves(hardware, quant, n_ctx, n); n *= 2) most = n;
    return most;
  }

 private:
  bool serves(const HardwareProfile& hardware, FileType quant, std::uint32_t n_ctx, std::uint32_t n)
  {
    auto& evaluation = evaluations_[{quant, n}];
    if (!evaluation) {
      auto q = question_.question;
      q.quants = {quant};
      q.best_only = true;
      q.workload.n_seq_max = n;
      q.workload.n_ctx = n_ctx * n;
      evaluation = std::make_unique<Evaluation>(model_, facts_, q);
    }
    const auto report = evaluation->on(hardware);
    return report.best && report.quants[*report.best].fits && report.grade >= question_.least;
  }

  const ModelSpec& model_;
  const ModelFacts& facts_;
  const FleetQuestion& question_;
  std::map<std::pair<FileType, std::uint32_t>, std::unique_ptr<Evaluation>> evaluations_;
};

FleetCell cell_of(const ModelReport& report)
{
  FleetCell cell;
  cell.grade = report.grade;
  if (!report.best) return cell;
  const auto& row = report.quants[*report.best];
  cell.quant = row.quant_label.value_or(std::string(name(row.quant)));
  cell.fits = row.fits;
  cell.mode = row.placement.mode;
  if (row.speed.generation_tps && row.fits) cell.tokens_per_second = row.speed.generation_tps->estimate;
  cell.memory = row.memory.total();
  cell.max_ctx = row.max_ctx;
  return cell;
}

/// What decides whether two upgraded machines are the same column: what decides the class.
std::string column_key(const HardwareProfile& hardware, BudgetKind budget)
{
  ClassFolder one(budget);
  one.add(hardware);
  return one.classes().front().id;
}

}  // namespace

std::optional<HardwareProfile> upgraded(const HardwareProfile& hardware, const UpgradeOption& option)
{
  if (is_closed(hardware)) return std::nullopt;
  auto better = hardware;
  switch (option.kind) {
    case UpgradeOption::Kind::more_ram:
      if (!better.memory.total || better.memory.limit) return std::nullopt;
      better.memory.total->count *= 2;
      // A GPU that shares the memory may use twice as much of it.
      for (auto& g : better.gpus) {
        if (g.unified_memory && g.memory_total) g.memory_total->value *= 2;
      }
      return better;
    case UpgradeOption::Kind::another_gpu: {
      const auto largest = std::ranges::max_element(better.gpus, {}, [](const Gpu& g) {
        return g.type == GpuType::discrete && g.memory_total ? g.memory_total->value : 0.0;
      });
      if (largest == better.gpus.end() || largest->type != GpuType::discrete || !largest->memory_total) return std::nullopt;
      better.gpus.push_back(Gpu(*largest));
      return better;
    }
    case UpgradeOption::Kind::gpu: better.gpus = {*option.gpu}; return better;
  }
  return std::nullopt;
}

std::uint64_t Fleet::machines() const
{
  std::uint64_t sum = 0;
  for (const auto& c : classes) sum += c.machines;
  return sum;
}

Fleet make_fleet(std::vector<MachineClass> classes, std::vector<UpgradeOption> upgrades, const FleetQuestion& question)
{
  Fleet fleet;
  fleet.least = question.least;
  fleet.classes = std::move(classes);
  fleet.upgrades = std::move(upgrades);
  std::map<std::string, std::size_t> known;
  for (const auto& c : fleet.classes) {
    known.emplace(column_key(c.hardware, question.question.budget), fleet.columns.size());
    fleet.columns.push_back(c.hardware);
  }
  for (const auto& option : fleet.upgrades) {
    auto& of_option = fleet.upgraded_columns.emplace_back();
    for (const auto& c : fleet.classes) {
      auto& column = of_option.emplace_back();
      const auto better = upgraded(c.hardware, option);
      if (!better) continue;
      const auto [at, fresh] = known.emplace(column_key(*better, question.question.budget), fleet.columns.size());
      if (fresh) fleet.columns.push_back(*better);
      column = at->second;
    }
  }
  return fleet;
}

FleetModel evaluate_on_fleet(const ModelSpec& model, const ModelFacts& facts, const Fleet& fleet, const FleetQuestion& question)
{
  auto q = question.question;
  q.best_only = true;
  Evaluation evaluation(model, facts, q);
  Users users(model, facts, question);
  FleetModel out;
  out.id = model.id;
  out.name = model.name;
  out.n_params = model.n_params;
  out.n_ctx = resolve(q.workload, model).n_ctx;
  const bool serves = question.users && model.kind == ModelKind::text;
  for (std::size_t i = 0; i < fleet.columns.size(); ++i) {
    const auto report = evaluation.on(fleet.columns[i]);
    auto& cell = out.cells.emplace_back(cell_of(report));
    if (!serves || i >= fleet.classes.size() || !report.best) continue;
    cell.users = fleet.runs(cell) ? users.on(fleet.columns[i], report.quants[*report.best].quant, out.n_ctx) : 0;
  }
  return out;
}

}  // namespace canirun
