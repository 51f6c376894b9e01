#include "verify/verification.hpp"

#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "render/describe.hpp"
#include "render/text.hpp"
#include "render/text_table.hpp"

namespace canirun {

namespace {

using json = nlohmann::ordered_json;

/// A part of one device: what llama.cpp counts together.
struct Part {
  std::string_view name;
  Bytes estimate, measured;
};

std::array<Part, 3> parts_of(const MemoryParts& e, const FitRow& m)
{
  return {Part{"model", e.weights, m.model}, Part{"context", e.kv_cache + e.recurrent_state, m.context},
          Part{"compute", e.compute, m.compute}};
}

struct Rate {
  std::string_view name;
  std::optional<Range> estimate;
  std::optional<double> measured;
};

std::array<Rate, 2> rates_of(const Verification& v)
{
  return {Rate{"generation_tps", v.row.speed.generation_tps, v.bench ? v.bench->generation_tps : std::nullopt},
          Rate{"prompt_tps", v.row.speed.prompt_tps, v.bench ? v.bench->prompt_tps : std::nullopt}};
}

std::string difference(double estimate, double measured)
{
  return measured > 0 ? fmt::format("{:+.1f} %", 100 * (estimate / measured - 1)) : estimate > 0 ? "?" : "";
}

double count(Bytes b) { return static_cast<double>(b.count); }

}  // namespace

std::string verification_text(const Verification& v, const RenderOptions& options)
{
  const Style style(options);
  auto out = cut(fmt::format("{}{}{}{}{} tokens of context{}{}", clean(v.model, !style.unicode), style.dot(), v.quant,
                             style.dot(), v.n_ctx, style.dot(), where_text(v.row)),
                 options.width, style.ellipsis()) +
             "\n\n";
  TextTable table({{"", false}, {"", false}, {"estimate", true}, {"measured", true}, {"error", true}});
  for (std::size_t i = 0; i < v.memory.size() && i < v.row.devices.size(); ++i) {
    const auto& device = v.row.devices[i];
    auto where =
        device.device == "host" ? std::string("RAM") : fmt::format("{} ({})", device.device, clean(v.memory[i].device, true));
    for (const auto& p : parts_of(device.parts, v.memory[i])) {
      if (p.estimate.count == 0 && p.measured.count == 0) continue;
      table.add({{where},
                 {std::string(p.name)},
                 {size_text(p.estimate)},
                 {size_text(p.measured)},
                 {difference(count(p.estimate), count(p.measured))}});
      where.clear();
    }
  }
  for (const auto& r : rates_of(v)) {
    if (!r.measured) continue;
    table.add({{r.name == "prompt_tps" ? "prompt" : "generation"},
               {"t/s"},
               {r.estimate ? rate_text(r.estimate->estimate) : "?"},
               {rate_text(*r.measured)},
               {r.estimate ? difference(r.estimate->estimate, *r.measured) : ""}});
  }
  for (std::size_t i = 0; v.devices && i < v.devices->size(); ++i) {
    const auto& seen = (*v.devices)[i];
    const auto* gpu = v.gpu_of(i);
    const auto total = gpu && gpu->memory_total ? gpu->memory_total->bytes() : Bytes{};
    table.add({{gpu ? fmt::format("gpu{} ({})", i, clean(seen.name, true)) : clean(seen.name, true)},
               {"total"},
               {total.count > 0 ? size_text(total) : "?"},
               {size_text(seen.total)},
               {total.count > 0 ? difference(count(total), count(seen.total)) : ""}});
  }
  out += table.text(style, options.width) + "\n";
  if (v.devices && v.devices->size() != v.gpus.size())
    out += fmt::format("  llama.cpp has {} GPUs here and canirun found {}\n", v.devices->size(), v.gpus.size());
  for (const auto& p : v.programs) {
    out += fmt::format("  {}: {}{}{}\n", p.name, p.status, p.path.empty() ? "" : ", " + clean(p.path, !style.unicode),
                       p.detail.empty() ? "" : ": " + clean(p.detail, !style.unicode));
  }
  if (!v.saved.empty()) out += fmt::format("  saved in {}: estimates on this machine use it\n", clean(v.saved, !style.unicode));
  return out;
}

std::string verification_json(const Verification& v)
{
  json devices = nullptr;
  if (v.devices) devices = json::array();
  for (std::size_t i = 0; v.devices && i < v.devices->size(); ++i) {
    const auto& seen = (*v.devices)[i];
    const auto* gpu = v.gpu_of(i);
    devices.push_back({{"device", gpu ? json(fmt::format("gpu{}", i)) : json(nullptr)},
                       {"measured_as", seen.name},
                       {"name", seen.description},
                       {"estimate_bytes", gpu && gpu->memory_total ? json(gpu->memory_total->bytes().count) : json(nullptr)},
                       {"measured_bytes", seen.total.count},
                       {"free_bytes", seen.free.count}});
  }
  json programs = json::array(), memory = json::array(), speed = json::array();
  const auto or_null = [](const std::string& s) { return s.empty() ? json(nullptr) : json(s); };
  for (const auto& p : v.programs) {
    programs.push_back({{"name", p.name}, {"path", or_null(p.path)}, {"status", p.status}, {"detail", or_null(p.detail)}});
  }
  for (std::size_t i = 0; i < v.memory.size() && i < v.row.devices.size(); ++i) {
    json parts = json::array();
    for (const auto& p : parts_of(v.row.devices[i].parts, v.memory[i])) {
      parts.push_back({{"part", p.name}, {"estimate_bytes", p.estimate.count}, {"measured_bytes", p.measured.count}});
    }
    memory.push_back({{"device", v.row.devices[i].device}, {"measured_as", v.memory[i].device}, {"parts", std::move(parts)}});
  }
  const auto round = [](double x) { return std::round(x * 100) / 100; };
  for (const auto& r : rates_of(v)) {
    if (!r.measured) continue;
    speed.push_back({{"what", r.name},
                     {"estimate", r.estimate ? json{{"low", round(r.estimate->low)},
                                                    {"estimate", round(r.estimate->estimate)},
                                                    {"high", round(r.estimate->high)}}
                                             : json(nullptr)},
                     {"measured", round(*r.measured)}});
  }
  const json document{{"schema", "canirun.verify/1"},
                      {"canirun", CANIRUN_VERSION},
                      {"model", v.model},
                      {"quant", v.quant},
                      {"n_ctx", v.n_ctx},
                      {"depth", v.depth},
                      {"command", or_null(v.command)},
                      {"memory", std::move(memory)},
                      {"devices", std::move(devices)},
                      {"speed", std::move(speed)},
                      {"llama_cpp", v.bench ? or_null(v.bench->build) : json(nullptr)},
                      {"programs", std::move(programs)},
                      {"saved", or_null(v.saved)}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace canirun
