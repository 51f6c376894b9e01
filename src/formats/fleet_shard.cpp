#include "canirun/formats/fleet_shard.hpp"

#include <algorithm>
#include <concepts>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "canirun/core/cache_type.hpp"
#include "canirun/core/hardware_json.hpp"
#include "canirun/formats/profile.hpp"

namespace canirun {

namespace {

using json = nlohmann::ordered_json;

constexpr std::string_view k_schema = "canirun.fleet-shard/1";

template <typename T>
json or_null(const std::optional<T>& value)
{
  return value ? json(*value) : json(nullptr);
}

/// What a value of a part cannot be; caught where the part is read.
struct WrongValue : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <std::unsigned_integral T>
T whole(const json& value)
{
  constexpr auto k_most = std::numeric_limits<T>::max();
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > k_most)
    throw WrongValue(fmt::format("a {} stands where a whole number from 0 to {} belongs", value.type_name(), k_most));
  return value.get<T>();
}

double rate(const json& value)
{
  if (!value.is_number() || !(value.get<double>() >= 0)) throw WrongValue("a rate is not a number from 0 on");
  return value.get<double>();
}

/// A word that `parse` knows.
template <typename Parse>
auto named(const json& value, Parse parse)
{
  if (!value.is_string()) throw WrongValue(fmt::format("a {} stands where a word belongs", value.type_name()));
  const auto& text = value.get_ref<const std::string&>();
  const auto found = parse(text);
  if (!found) throw WrongValue(fmt::format("'{}' is not known", text));
  return *found;
}

template <typename Read>
auto unless_null(const json& value, Read read) -> std::optional<decltype(read(value))>
{
  if (value.is_null()) return std::nullopt;
  return read(value);
}

/// A part that a program wrote is four levels deep and its profiles a few more.
json parse_document(std::string_view text)
{
  return json::parse(text, [](int depth, auto, const json&) {
    if (depth > 64) throw WrongValue("it is nested deeper than 64 levels");
    return true;
  });
}

/// What all parts of one fleet have in common, word for word.
json header(const FleetReport& report, const Shard& shard, std::size_t n_models)
{
  const auto& fleet = report.fleet;
  json classes = json::array(), upgrades = json::array(), columns = json::array();
  for (const auto& c : fleet.classes) {
    classes.push_back(
        {{"id", c.id}, {"name", c.name}, {"machines", c.machines}, {"hosts", c.hosts}, {"hardware", to_json(c.hardware)}});
  }
  for (std::size_t u = 0; u < fleet.upgrades.size(); ++u) {
    json column = json::array();
    for (const auto& c : fleet.upgraded_columns[u]) column.push_back(or_null(c));
    upgrades.push_back({{"name", fleet.upgrades[u].name}, {"columns", std::move(column)}});
  }
  const auto& w = report.workload;
  json out{{"schema", k_schema},
           {"canirun", CANIRUN_VERSION},
           {"of", shard.of},
           {"n_models", n_models},
           {"n_columns", fleet.columns.size()},
           {"min_grade", name(fleet.least)},
           {"budget", name(report.budget)},
           {"workload",
            {{"n_ctx", w.n_ctx},
             {"n_batch", w.n_batch},
             {"n_ubatch", w.n_ubatch},
             {"n_seq_max", w.n_seq_max},
             {"kv_unified", w.kv_unified},
             {"cache_type_k", traits(w.cache_type_k).name},
             {"cache_type_v", traits(w.cache_type_v).name},
             {"flash_attn", name(w.flash_attn)},
             {"offload_kqv", w.offload_kqv},
             {"swa_full", w.swa_full},
             {"n_outputs_max", w.n_outputs_max},
             {"runtime", name(w.runtime)},
             {"depth", w.depth < 0 ? json(nullptr) : json(w.depth)}}},
           {"classes", std::move(classes)},
           {"upgrades", std::move(upgrades)},
           {"comparison", nullptr}};
  if (report.comparison) {
    json differences = json::array();
    for (const auto& d : report.comparison->differences) differences.push_back({d.what, d.a, d.b});
    out["comparison"] = {{"a", report.comparison->a}, {"b", report.comparison->b}, {"differences", std::move(differences)}};
  }
  return out;
}

json cell_json(const FleetCell& c)
{
  return {c.grade ? json(name(*c.grade)) : json(nullptr),
          c.quant,
          c.fits,
          name(c.mode),
          or_null(c.tokens_per_second),
          c.memory.count,
          or_null(c.max_ctx),
          or_null(c.users)};
}

std::optional<Placement::Mode> parse_mode(std::string_view text)
{
  for (const auto mode : {Placement::Mode::gpu, Placement::Mode::split, Placement::Mode::cpu, Placement::Mode::none}) {
    if (text == name(mode)) return mode;
  }
  return std::nullopt;
}

FleetCell parse_cell(const json& value)
{
  FleetCell c;
  c.grade = unless_null(value.at(0), [](const json& v) { return named(v, parse_letter); });
  c.quant = value.at(1).get<std::string>();
  c.fits = value.at(2).get<bool>();
  c.mode = named(value.at(3), parse_mode);
  c.tokens_per_second = unless_null(value.at(4), rate);
  c.memory = Bytes{whole<std::uint64_t>(value.at(5))};
  c.max_ctx = unless_null(value.at(6), whole<std::uint32_t>);
  c.users = unless_null(value.at(7), whole<std::uint32_t>);
  return c;
}

Workload parse_workload(const json& w)
{
  Workload out;
  out.n_ctx = whole<std::uint32_t>(w.at("n_ctx"));
  out.n_batch = whole<std::uint32_t>(w.at("n_batch"));
  out.n_ubatch = whole<std::uint32_t>(w.at("n_ubatch"));
  out.n_seq_max = whole<std::uint32_t>(w.at("n_seq_max"));
  out.kv_unified = w.at("kv_unified").get<bool>();
  out.cache_type_k = named(w.at("cache_type_k"), parse_cache_type);
  out.cache_type_v = named(w.at("cache_type_v"), parse_cache_type);
  out.flash_attn = named(w.at("flash_attn"), parse_flash_attention);
  out.offload_kqv = w.at("offload_kqv").get<bool>();
  out.swa_full = w.at("swa_full").get<bool>();
  out.n_outputs_max = whole<std::uint32_t>(w.at("n_outputs_max"));
  out.runtime = named(w.at("runtime"), parse_runtime);
  out.depth = unless_null(w.at("depth"), whole<std::uint32_t>).value_or(-1);
  return out;
}

Result<FleetReport> parse_header(const json& h, const std::string& file)
{
  FleetReport report;
  auto& fleet = report.fleet;
  report.workload = parse_workload(h.at("workload"));
  report.budget = named(h.at("budget"), parse_budget_kind);
  fleet.least = named(h.at("min_grade"), parse_letter);
  for (const auto& c : h.at("classes")) {
    const auto text = c.at("hardware").dump(-1, ' ', false, json::error_handler_t::replace);
    auto hardware = parse_profile(text, file);
    if (!hardware) return tl::unexpected(hardware.error());
    fleet.classes.push_back(
        {c.at("id"), c.at("name"), std::move(*hardware), whole<std::uint32_t>(c.at("machines")), c.at("hosts")});
  }
  for (const auto& u : h.at("upgrades")) {
    fleet.upgrades.push_back({UpgradeOption::Kind::more_ram, u.at("name"), {}});
    auto& columns = fleet.upgraded_columns.emplace_back();
    for (const auto& c : u.at("columns")) columns.push_back(unless_null(c, whole<std::size_t>));
  }
  if (const auto& c = h.at("comparison"); !c.is_null()) {
    auto& comparison = report.comparison.emplace();
    comparison.a = whole<std::size_t>(c.at("a")), comparison.b = whole<std::size_t>(c.at("b"));
    for (const auto& d : c.at("differences")) comparison.differences.push_back({d.at(0), d.at(1), d.at(2)});
  }
  return report;
}

/// The indices that everything later relies on.
bool consistent(const FleetReport& report, std::size_t n_models, std::size_t n_columns)
{
  const auto& fleet = report.fleet;
  if (fleet.classes.empty() || n_columns < fleet.classes.size()) return false;
  for (const auto& columns : fleet.upgraded_columns) {
    if (columns.size() != fleet.classes.size()) return false;
    if (std::ranges::any_of(columns, [&](const auto& c) { return c && *c >= n_columns; })) return false;
  }
  return !report.comparison || (report.comparison->a < n_models && report.comparison->b < n_models);
}

FleetModel parse_model(const json& m)
{
  FleetModel model{m.at("id"), m.at("name"), whole<std::uint64_t>(m.at("n_params")), whole<std::uint32_t>(m.at("n_ctx")), {}};
  for (const auto& c : m.at("cells")) model.cells.push_back(parse_cell(c));
  return model;
}

}  // namespace

std::string shard_json(const FleetReport& report, const Shard& shard, std::size_t n_models)
{
  const auto line = [](const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); };
  auto out = fmt::format("{{\"shard\": {},\n \"fleet\": {},\n \"models\": [", shard.index, line(header(report, shard, n_models)));
  for (std::size_t i = 0; i < report.fleet.models.size(); ++i) {
    const auto& m = report.fleet.models[i];
    json cells = json::array();
    for (const auto& c : m.cells) cells.push_back(cell_json(c));
    out += (i == 0 ? "\n  " : ",\n  ") +
           line({{"id", m.id}, {"name", m.name}, {"n_params", m.n_params}, {"n_ctx", m.n_ctx}, {"cells", std::move(cells)}});
  }
  return out + "]}\n";
}

Result<FleetReport> merge_shards(std::span<const ShardText> shards)
{
  std::optional<FleetReport> report;
  std::string common, first;
  std::vector<std::string> seen;  // file of each shard
  std::size_t n_columns = 0;
  for (const auto& part : shards) {
    const auto& file = part.name;
    const auto wrong = [&](std::string_view what) { return fail(ErrorKind::parse, fmt::format("{}: {}", file, what)); };
    constexpr auto k_no_shard = "this is no part of a fleet; `canirun fleet --shard 1/2 ... -o FILE` writes one";
    try {
      const auto document = parse_document(part.text);
      if (!document.is_object() || !document.contains("fleet") || document.at("fleet").at("schema") != k_schema)
        return wrong(k_no_shard);
      const auto& fleet = document.at("fleet");
      const auto n_models = whole<std::size_t>(fleet.at("n_models"));
      if (!report) {
        auto parsed = parse_header(fleet, file);
        if (!parsed) return tl::unexpected(parsed.error());
        n_columns = whole<std::size_t>(fleet.at("n_columns"));
        const auto of = whole<std::size_t>(fleet.at("of"));
        if (of < 1 || of > 100000 || n_models > 1000000 || !consistent(*parsed, n_models, n_columns)) return wrong(k_no_shard);
        report = std::move(*parsed);
        report->fleet.models.resize(n_models);
        seen.resize(of);
        common = fleet.dump(), first = file;
      } else if (fleet.dump() != common) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{} and {} are parts of different fleets; each part needs the same profiles, options and version",
                                first, file));
      }
      const auto index = whole<std::size_t>(document.at("shard"));
      if (index < 1 || index > seen.size()) return wrong(k_no_shard);
      if (!seen[index - 1].empty()) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{} and {} are both part {} of {}", seen[index - 1], file, index, seen.size()));
      }
      seen[index - 1] = file;
      auto m = index - 1;
      for (const auto& model : document.at("models")) {
        if (m >= n_models) return wrong("it has more models than its part of the fleet");
        report->fleet.models[m] = parse_model(model);
        if (report->fleet.models[m].cells.size() != n_columns)
          return wrong(fmt::format("model {} does not have a cell for each class", report->fleet.models[m].id));
        m += seen.size();
      }
      if (m < n_models) return wrong("it lacks models of its part of the fleet");
    } catch (const json::exception& e) {
      return wrong(fmt::format("not a part of a fleet: {}", e.what()));
    } catch (const WrongValue& e) {
      return wrong(fmt::format("not a part of a fleet: {}", e.what()));
    }
  }
  if (!report) return fail(ErrorKind::invalid_argument, "--merge needs the files that --shard wrote");
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i].empty()) missing.push_back(fmt::format("{}/{}", i + 1, seen.size()));
  }
  if (!missing.empty())
    return fail(ErrorKind::invalid_argument,
                fmt::format("--merge lacks the part{} {}", missing.size() > 1 ? "s" : "", fmt::join(missing, ", ")));
  return std::move(*report);
}

}  // namespace canirun
