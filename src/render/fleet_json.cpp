#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "canirun/core/hardware_json.hpp"
#include "fleet_parts.hpp"

/// \file
/// canirun.fleet/1 (docs/schema/fleet-1.json). Written model by model: a large fleet has millions of cells.

namespace canirun {

namespace {

using json = nlohmann::ordered_json;

std::string line(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

template <typename T>
json or_null(const std::optional<T>& value)
{
  return value ? json(*value) : json(nullptr);
}

json class_ids(const Fleet& fleet, const std::vector<std::size_t>& classes)
{
  json ids = json::array();
  for (const auto c : classes) ids.push_back(fleet.classes[c].id);
  return ids;
}

json class_json(const MachineClass& c)
{
  return {{"id", c.id}, {"name", c.name}, {"machines", c.machines}, {"hosts", c.hosts}, {"hardware", to_json(c.hardware)}};
}

json cell_json(const Fleet& fleet, std::size_t index, const FleetCell& cell)
{
  return {{"class", fleet.classes[index].id},
          {"runs", fleet.runs(cell)},
          {"grade", cell.grade ? json(name(*cell.grade)) : json(nullptr)},
          {"quant", cell.grade ? json(cell.quant) : json(nullptr)},
          {"fits", cell.fits},
          {"mode", name(cell.mode)},
          {"memory_bytes", cell.grade ? json(cell.memory.count) : json(nullptr)},
          {"generation_tps", cell.tokens_per_second ? json(std::round(*cell.tokens_per_second * 100) / 100) : json(nullptr)},
          {"max_ctx", or_null(cell.max_ctx)},
          {"users", or_null(cell.users)}};
}

void add_model(std::string& out, const Fleet& fleet, const FleetModel& m)
{
  const auto head = line({{"id", m.id}, {"name", m.name}, {"n_params", m.n_params}, {"n_ctx", m.n_ctx}, {"machines", machines_that_run(fleet, m)}});
  out += "  " + head.substr(0, head.size() - 1) + ",\"classes\":[\n";
  for (std::size_t c = 0; c < fleet.classes.size(); ++c)
    out += "    " + line(cell_json(fleet, c, m.cells[c])) + (c + 1 < fleet.classes.size() ? ",\n" : "\n");
  out += "  ]}";
}

json answers_json(const FleetReport& report)
{
  const auto& fleet = report.fleet;
  json uncovered = json::array(), upgrades = json::array();
  for (const auto m : report.cover.uncovered) uncovered.push_back(fleet.models[m].id);
  for (const auto& e : report.upgrades) {
    upgrades.push_back({{"upgrade", fleet.upgrades[e.upgrade].name},
                        {"machines", e.machines},
                        {"more_models", e.more},
                        {"classes", class_ids(fleet, e.classes)}});
  }
  json out{{"smallest_set", {{"classes", class_ids(fleet, report.cover.classes)}, {"method", report.cover.exact ? "exact" : "greedy"}, {"not_run", std::move(uncovered)}}},
           {"upgrades", std::move(upgrades)},
           {"comparison", nullptr},
           {"words", answer_sentences(report)}};
  if (report.comparison) {
    const auto& c = *report.comparison;
    json differences = json::array();
    for (const auto& d : c.differences) differences.push_back({{"what", d.what}, {"a", d.a}, {"b", d.b}});
    out["comparison"] = {{"a", fleet.models[c.a].id},
                         {"b", fleet.models[c.b].id},
                         {"differences", std::move(differences)},
                         {"lost", class_ids(fleet, c.lost)},
                         {"machines_lost", c.machines_lost},
                         {"gained", class_ids(fleet, c.gained)},
                         {"machines_gained", c.machines_gained}};
  }
  return out;
}

}  // namespace

std::string render_fleet_json(const FleetReport& report, const RenderOptions&)
{
  const auto& fleet = report.fleet;
  const auto& w = report.workload;
  std::string out = "{\n";
  out += fmt::format(" \"schema\": \"canirun.fleet/1\",\n \"canirun\": \"{}\",\n", CANIRUN_VERSION);
  out += " \"workload\": " + line({{"n_ctx", w.n_ctx > 0 ? json(w.n_ctx) : json(nullptr)},
                                   {"n_seq_max", w.n_seq_max},
                                   {"cache_type_k", traits(w.cache_type_k).name},
                                   {"cache_type_v", traits(w.cache_type_v).name},
                                   {"flash_attn", name(w.flash_attn)},
                                   {"runtime", name(w.runtime)},
                                   {"budget", name(report.budget)}}) + ",\n";
  out += fmt::format(" \"min_grade\": \"{}\",\n \"machines\": {},\n \"classes\": [\n", name(fleet.least), fleet.machines());
  for (std::size_t c = 0; c < fleet.classes.size(); ++c) out += "  " + line(class_json(fleet.classes[c])) + (c + 1 < fleet.classes.size() ? ",\n" : "\n");
  out += " ],\n \"models\": [\n";
  for (std::size_t m = 0; m < fleet.models.size(); ++m) {
    add_model(out, fleet, fleet.models[m]);
    out += m + 1 < fleet.models.size() ? ",\n" : "\n";
  }
  out += " ],\n \"answers\": " + line(answers_json(report)) + "\n}\n";
  return out;
}

}  // namespace canirun
