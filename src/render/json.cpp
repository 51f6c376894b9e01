#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "canirun/core/hardware_json.hpp"
#include "canirun/core/quant_quality.hpp"
#include "describe.hpp"
#include "renderers.hpp"

namespace canirun {

namespace {

using json = nlohmann::ordered_json;

/// Estimates with more digits than these would only look exact.
json decimal(double value, int digits)
{
  const auto scale = std::pow(10.0, digits);
  return std::round(value * scale) / scale;
}

json range(const std::optional<Range>& r, int digits)
{
  if (!r) return nullptr;
  return {{"low", decimal(r->low, digits)}, {"estimate", decimal(r->estimate, digits)}, {"high", decimal(r->high, digits)}};
}

template <typename T>
json name_or_null(const std::optional<T>& value)
{
  return value ? json(name(*value)) : json(nullptr);
}

void add_parts(json& out, const MemoryParts& parts, const QuantReport& row)
{
  out["weights_bytes"] = parts.weights.count;
  out["kv_cache_bytes"] = row.caches_known ? json(parts.kv_cache.count) : json(nullptr);
  out["recurrent_state_bytes"] = row.caches_known ? json(parts.recurrent_state.count) : json(nullptr);
  out["compute_bytes"] = row.compute_known ? json(parts.compute.count) : json(nullptr);
  out["output_bytes"] = parts.output.count;
  out["projector_bytes"] = parts.projector.count;
  out["runtime_overhead_bytes"] = parts.runtime_overhead.count;
  out["total_bytes"] = parts.total().count;
}

json device_json(const DeviceReport& d, const QuantReport& row)
{
  json out{{"device", d.device}, {"name", d.name}};
  add_parts(out, d.parts, row);
  out["budget_bytes"] = d.budget.count;
  out["headroom_bytes"] = d.headroom_bytes();
  return out;
}

json media_json(const MediaRun& m)
{
  json stages = json::array();
  for (const auto& s : m.stages) stages.push_back({{"stage", s.name}, {"gpu_bytes", s.gpu.count}, {"host_bytes", s.host.count}});
  const bool picture = m.unit != MediaRun::Unit::speech;
  return {{"unit", m.unit == MediaRun::Unit::image   ? "image"
                   : m.unit == MediaRun::Unit::video ? "video"
                                                     : "speech"},
          {"runtime", m.runtime.empty() ? json(nullptr) : json(m.runtime)},
          {"width", picture ? json(m.width) : json(nullptr)},
          {"height", picture ? json(m.height) : json(nullptr)},
          {"frames", picture ? json(m.frames) : json(nullptr)},
          {"steps", picture ? json(m.steps) : json(nullptr)},
          {"settings", m.settings},
          {"stages", std::move(stages)},
          {"seconds", range(m.seconds, 2)},
          {"times_real_time", range(m.times_real_time, 2)},
          {"buffer_range", {{"low", decimal(m.memory_low, 2)}, {"high", decimal(m.memory_high, 2)}}}};
}

json quant_json(const QuantReport& row)
{
  json memory, devices = json::array();
  add_parts(memory, row.memory, row);
  for (const auto& d : row.devices) devices.push_back(device_json(d, row));
  const auto& p = row.placement;
  json out{{"quant", quant_text(row)},
           {"grade", name(row.grade.letter)},
           {"memory_grade", name(row.grade.memory)},
           {"speed_grade", name_or_null(row.grade.speed)},
           {"limited_by", name(row.grade.limited_by)},
           {"fits", row.fits},
           {"file_bytes", row.file_bytes.count},
           {"bits_per_weight", decimal(row.bits_per_weight.value, 4)},
           {"placement",
            {{"mode", name(p.mode)}, {"n_gpu_layers", p.n_gpu_layers}, {"n_layers", p.n_layers}, {"n_cpu_moe", p.n_cpu_moe}}},
           {"memory", std::move(memory)},
           {"devices", std::move(devices)},
           {"speed",
            {{"generation_tps", range(row.speed.generation_tps, 2)},
             {"prompt_tps", range(row.speed.prompt_tps, 1)},
             {"time_to_first_token_s", range(row.speed.time_to_first_token_s, 3)},
             {"limited_by", name(row.speed.limited_by)},
             {"basis", name(row.speed.basis)}}},
           {"max_ctx", row.max_ctx ? json(*row.max_ctx) : json(nullptr)},
           {"command", row.command.empty() ? json(nullptr) : json(row.command)},
           {"notes", row.notes}};
  if (const auto quality = row.media || row.quant_label ? std::nullopt : quality_of(row.quant)) {
    out["quality"] = {{"kl_divergence", decimal(quality->kl_divergence, 6)},
                      {"perplexity_increase", decimal(quality->perplexity_increase, 4)},
                      {"imatrix", quality->imatrix},
                      {"costs", quality->words()},
                      {"measured_on", k_quality_model},
                      {"source", k_quality_source}};
  }
  if (row.media) out["media"] = media_json(*row.media);
  return out;
}

json model_json(const ModelReport& m)
{
  json quants = json::array();
  for (const auto& row : m.quants) quants.push_back(quant_json(row));
  return {{"id", m.id},
          {"name", m.name},
          {"source", m.source},
          {"tasks", m.tasks},
          {"n_params", m.n_params},
          {"grade", name_or_null(m.grade)},
          {"best_quant", m.best ? json(quant_text(m.quants[*m.best])) : json(nullptr)},
          {"quants", std::move(quants)},
          {"n_ctx", m.n_ctx > 0 ? json(m.n_ctx) : json(nullptr)},
          {"notes", m.notes}};
}

json workload_json(const Report& report)
{
  const auto& w = report.workload;
  const auto& layers = report.placement.n_gpu_layers;
  // No context stated: the largest that was graded; each model has its own beside its quants.
  std::uint32_t n_ctx = w.n_ctx;
  if (n_ctx == 0) {
    for (const auto& m : report.models) n_ctx = std::max(n_ctx, m.n_ctx);
  }
  return {{"n_ctx", n_ctx},
          {"n_batch", w.n_batch},
          {"n_ubatch", w.n_ubatch},
          {"n_seq_max", w.n_seq_max},
          {"cache_type_k", traits(w.cache_type_k).name},
          {"cache_type_v", traits(w.cache_type_v).name},
          {"flash_attn", name(w.flash_attn)},
          {"n_gpu_layers", !layers       ? json("auto")
                           : *layers < 0 ? json("all")
                                         : json(*layers)},
          {"runtime", name(w.runtime)},
          {"budget", name(report.budget)}};
}

json checks_json(const std::vector<CheckResult>& checks)
{
  json out = json::array();
  for (const auto& c : checks) {
    json failures = json::array();
    for (const auto& f : c.failures) {
      failures.push_back({{"requirement", f.requirement},
                          {"asked", f.asked},
                          {"found", f.found},
                          {"best", f.best.empty() ? json(nullptr) : json(f.best)}});
    }
    out.push_back({{"model", c.model},
                   {"quant", c.quant.empty() ? json(nullptr) : json(c.quant)},
                   {"passed", c.passed()},
                   {"failures", std::move(failures)},
                   {"nearest", c.nearest.empty() ? json(nullptr) : json(c.nearest)}});
  }
  return out;
}

/// Invalid UTF-8 from a file or a driver becomes U+FFFD: the document is always valid.
std::string dump(const json& value, int indent) { return value.dump(indent, ' ', false, json::error_handler_t::replace); }

/// A document written value by value: the whole catalogue as one tree of values takes ten times the memory of its text.
class JsonText {
 public:
  void open(char bracket)
  {
    text_ += bracket;
    text_ += '\n';
    ++depth_;
    first_ = true;
  }
  void close(char bracket)
  {
    --depth_;
    text_ += '\n';
    text_.append(k_indent * depth_, ' ');
    text_ += bracket;
    first_ = false;
  }
  void key(std::string_view name)
  {
    item();
    text_ += '"';
    text_ += name;
    text_ += "\": ";
  }
  void item()
  {
    if (!first_) text_ += ",\n";
    first_ = false;
    text_.append(k_indent * depth_, ' ');
  }
  /// Text of a value as dump(value, k_indent) has it.
  void text(std::string_view dumped)
  {
    for (std::size_t begin = 0, end = 0; end != std::string_view::npos; begin = end + 1) {
      end = dumped.find('\n', begin);
      text_ += dumped.substr(begin, end == std::string_view::npos ? end : end + 1 - begin);
      if (end != std::string_view::npos) text_.append(k_indent * depth_, ' ');
    }
  }
  void value(const json& v) { text(dump(v, k_indent)); }
  /// Room for these values, so that a long document does not move while it grows.
  void reserve(const std::vector<std::string>& values)
  {
    auto bytes = text_.size() + 4096;
    for (const auto& v : values)
      bytes += v.size() + k_indent * depth_ * static_cast<std::size_t>(1 + std::ranges::count(v, '\n')) + 2;
    text_.reserve(bytes);
  }
  std::string take() { return std::move(text_); }

  static constexpr std::size_t k_indent = 2;

 private:
  std::string text_;
  std::size_t depth_ = 0;
  bool first_ = true;
};

std::vector<std::string> model_texts(const Report& report, const RenderOptions& options)
{
  std::vector<std::string> texts(report.models.size());
  const auto render = [&](std::size_t i) { texts[i] = dump(model_json(report.models[i]), JsonText::k_indent); };
  if (options.for_each) options.for_each(texts.size(), render);
  else
    for (std::size_t i = 0; i < texts.size(); ++i) render(i);
  return texts;
}

void add_report(JsonText& out, const Report& report, const RenderOptions& options)
{
  out.open('{');
  const auto member = [&](const char* key, const json& value) {
    out.key(key);
    out.value(value);
  };
  member("schema", "canirun.report/1");
  member("canirun", CANIRUN_VERSION);
  if (!report.machine.empty()) member("machine", report.machine);
  member("hardware", to_json(report.hardware));
  member("workload", workload_json(report));
  if (report.models.empty()) {
    member("models", json::array());
  } else {
    out.key("models");
    out.open('[');
    auto texts = model_texts(report, options);
    out.reserve(texts);
    for (auto& text : texts) {
      out.item();
      out.text(std::exchange(text, {}));
    }
    out.close(']');
  }
  if (!report.checks.empty()) member("checks", checks_json(report.checks));
  out.close('}');
}

}  // namespace

/// One machine: canirun.report/1. Machines that have names: canirun.reports/1, a list of such reports.
std::string render_json(Reports reports, const RenderOptions& options)
{
  JsonText out;
  if (reports.size() == 1 && reports.front().machine.empty()) {
    add_report(out, reports.front(), options);
    return out.take() + "\n";
  }
  out.open('{');
  out.key("schema");
  out.value(json("canirun.reports/1"));
  out.key("canirun");
  out.value(json(CANIRUN_VERSION));
  out.key("reports");
  out.open('[');
  for (const auto& report : reports) {
    out.item();
    add_report(out, report, options);
  }
  out.close(']');
  out.close('}');
  return out.take() + "\n";
}

/// A model a line; with several machines each line begins with the machine.
std::string render_ndjson(Reports reports, const RenderOptions&)
{
  std::string out;
  for (const auto& report : reports) {
    for (const auto& m : report.models) {
      auto line = report.machine.empty() ? json::object() : json{{"machine", report.machine}};
      line.update(model_json(m));
      out += dump(line, -1) + "\n";
    }
  }
  return out;
}

}  // namespace canirun
