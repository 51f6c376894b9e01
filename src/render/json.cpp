#include <algorithm>
#include <nlohmann/json.hpp>

#include "canirun/core/hardware_json.hpp"
#include "canirun/core/quant_quality.hpp"
#include "describe.hpp"
#include "json_text.hpp"
#include "renderers.hpp"

namespace canirun {

namespace {

using json = nlohmann::ordered_json;

void write_range(JsonText& out, const std::optional<Range>& r, int digits)
{
  if (!r) {
    out.null();
    return;
  }
  out.open('{');
  out.key("low").number(r->low, digits);
  out.key("estimate").number(r->estimate, digits);
  out.key("high").number(r->high, digits);
  out.close('}');
}

template <typename T>
void write_name(JsonText& out, const std::optional<T>& value)
{
  if (value) out.string(name(*value));
  else out.null();
}

void write_if(JsonText& out, bool known, std::uint64_t value)
{
  if (known) out.whole(value);
  else out.null();
}

void write_parts(JsonText& out, const MemoryParts& parts, const QuantReport& row)
{
  out.key("weights_bytes").whole(parts.weights.count);
  write_if(out.key("kv_cache_bytes"), row.caches_known, parts.kv_cache.count);
  write_if(out.key("recurrent_state_bytes"), row.caches_known, parts.recurrent_state.count);
  write_if(out.key("compute_bytes"), row.compute_known, parts.compute.count);
  out.key("output_bytes").whole(parts.output.count);
  out.key("projector_bytes").whole(parts.projector.count);
  out.key("runtime_overhead_bytes").whole(parts.runtime_overhead.count);
  out.key("total_bytes").whole(parts.total().count);
}

void write_devices(JsonText& out, const QuantReport& row)
{
  out.open_list("devices");
  for (const auto& d : row.devices) {
    out.item();
    out.open('{');
    out.key("device").string(d.device);
    out.key("name").string(d.name);
    write_parts(out, d.parts, row);
    out.key("budget_bytes").whole(d.budget.count);
    out.key("headroom_bytes").value(d.headroom_bytes());
    out.close('}');
  }
  out.close(']');
}

void write_speed(JsonText& out, const SpeedEstimate& speed)
{
  out.open_object("speed");
  write_range(out.key("generation_tps"), speed.generation_tps, 2);
  write_range(out.key("prompt_tps"), speed.prompt_tps, 1);
  write_range(out.key("time_to_first_token_s"), speed.time_to_first_token_s, 3);
  out.key("limited_by").string(name(speed.limited_by));
  out.key("basis").string(name(speed.basis));
  out.close('}');
}

void write_quality(JsonText& out, const QuantQuality& quality)
{
  out.open_object("quality");
  out.key("kl_divergence").number(quality.kl_divergence, 6);
  out.key("perplexity_increase").number(quality.perplexity_increase, 4);
  out.key("imatrix").flag(quality.imatrix);
  out.key("costs").string(quality.words());
  out.key("measured_on").string(k_quality_model);
  out.key("source").string(k_quality_source);
  out.close('}');
}

void write_media(JsonText& out, const MediaRun& m)
{
  const bool picture = m.unit != MediaRun::Unit::speech;
  out.open_object("media");
  out.key("unit").string(m.unit == MediaRun::Unit::image ? "image" : m.unit == MediaRun::Unit::video ? "video" : "speech");
  out.key("runtime").string_or_null(m.runtime);
  write_if(out.key("width"), picture, m.width);
  write_if(out.key("height"), picture, m.height);
  write_if(out.key("frames"), picture, m.frames);
  write_if(out.key("steps"), picture, m.steps);
  out.key("settings").strings(m.settings);
  out.open_list("stages");
  for (const auto& s : m.stages) {
    out.item();
    out.open('{');
    out.key("stage").string(s.name);
    out.key("gpu_bytes").whole(s.gpu.count);
    out.key("host_bytes").whole(s.host.count);
    out.close('}');
  }
  out.close(']');
  write_range(out.key("seconds"), m.seconds, 2);
  write_range(out.key("times_real_time"), m.times_real_time, 2);
  out.open_object("buffer_range");
  out.key("low").number(m.memory_low, 2);
  out.key("high").number(m.memory_high, 2);
  out.close('}');
  out.close('}');
}

void write_quant(JsonText& out, const QuantReport& row)
{
  out.open('{');
  out.key("quant").string(quant_text(row));
  out.key("grade").string(name(row.grade.letter));
  out.key("memory_grade").string(name(row.grade.memory));
  write_name(out.key("speed_grade"), row.grade.speed);
  out.key("limited_by").string(name(row.grade.limited_by));
  out.key("fits").flag(row.fits);
  out.key("file_bytes").whole(row.file_bytes.count);
  if (row.file_bytes_at_release) out.key("file_bytes_at_release").whole(row.file_bytes_at_release->count);
  out.key("bits_per_weight").number(row.bits_per_weight.value, 4);
  const auto& p = row.placement;
  out.open_object("placement");
  out.key("mode").string(name(p.mode));
  out.key("n_gpu_layers").whole(p.n_gpu_layers);
  out.key("n_layers").whole(p.n_layers);
  out.key("n_cpu_moe").whole(p.n_cpu_moe);
  out.close('}');
  out.open_object("memory");
  write_parts(out, row.memory, row);
  out.close('}');
  write_devices(out, row);
  write_speed(out, row.speed);
  write_if(out.key("max_ctx"), row.max_ctx.has_value(), row.max_ctx.value_or(0));
  out.key("command").string_or_null(row.command);
  out.key("notes").strings(row.notes);
  if (const auto quality = row.media || row.quant_label ? std::nullopt : quality_of(row.quant)) write_quality(out, *quality);
  if (row.media) write_media(out, *row.media);
  out.close('}');
}

void write_model_members(JsonText& out, const ModelReport& m)
{
  out.key("id").string(m.id);
  out.key("name").string(m.name);
  out.key("source").string(m.source);
  out.key("tasks").strings(m.tasks);
  out.key("n_params").whole(m.n_params);
  write_name(out.key("grade"), m.grade);
  out.key("best_quant").string_or_null(m.best ? quant_text(m.quants[*m.best]) : "");
  out.open_list("quants");
  for (const auto& row : m.quants) {
    out.item();
    write_quant(out, row);
  }
  out.close(']');
  write_if(out.key("n_ctx"), m.n_ctx > 0, m.n_ctx);
  out.key("notes").strings(m.notes);
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

/// So many rows are written at a time, about 4 KiB each: a share of them for each core, and no more text in memory than that.
constexpr std::size_t k_rows_at_once = 1024;

/// The end of the next models from `begin` on that have as many rows, or of them all.
std::size_t end_of_some(const std::vector<ModelReport>& models, std::size_t begin)
{
  std::size_t rows = 0;
  while (begin < models.size() && rows < k_rows_at_once) rows += std::max<std::size_t>(1, models[begin++].quants.size());
  return begin;
}

void write_models(JsonText& out, const Report& report, const RenderOptions& options, const Sink& sink)
{
  out.open('[');
  for (std::size_t begin = 0, end = 0; begin < report.models.size(); begin = end) {
    end = end_of_some(report.models, begin);
    const auto n = end - begin;
    std::vector<std::string> texts(n);
    const auto render = [&](std::size_t i) {
      JsonText model(JsonText::Layout::lines, out.depth());
      model.open('{');
      write_model_members(model, report.models[begin + i]);
      model.close('}');
      texts[i] = model.take();
    };
    if (options.for_each) options.for_each(n, render);
    else
      for (std::size_t i = 0; i < n; ++i) render(i);
    for (std::size_t i = 0; i < n; ++i) {
      out.item();
      out.written(texts[i]);
    }
    sink(out.take());
  }
  out.close(']');
}

void write_report(JsonText& out, const Report& report, const RenderOptions& options, const Sink& sink)
{
  out.open('{');
  out.key("schema").string("canirun.report/1");
  out.key("canirun").string(CANIRUN_VERSION);
  if (!report.machine.empty()) out.key("machine").string(report.machine);
  out.key("hardware").value(to_json(report.hardware));
  out.key("workload").value(workload_json(report));
  write_models(out.key("models"), report, options, sink);
  if (!report.checks.empty()) out.key("checks").value(checks_json(report.checks));
  out.close('}');
}

}  // namespace

/// One machine: canirun.report/1. Machines that have names: canirun.reports/1, a list of such reports.
void write_json(Reports reports, const RenderOptions& options, const Sink& sink)
{
  JsonText out;
  if (reports.size() == 1 && reports.front().machine.empty()) {
    write_report(out, reports.front(), options, sink);
  } else {
    out.open('{');
    out.key("schema").string("canirun.reports/1");
    out.key("canirun").string(CANIRUN_VERSION);
    out.open_list("reports");
    for (const auto& report : reports) {
      out.item();
      write_report(out, report, options, sink);
    }
    out.close(']');
    out.close('}');
  }
  sink(out.take() + "\n");
}

/// A model a line; with several machines each line begins with the machine.
void write_ndjson(Reports reports, const RenderOptions&, const Sink& sink)
{
  constexpr std::size_t enough = 1u << 16;
  std::string lines;
  for (const auto& report : reports) {
    for (const auto& m : report.models) {
      JsonText line(JsonText::Layout::compact);
      line.open('{');
      if (!report.machine.empty()) line.key("machine").string(report.machine);
      write_model_members(line, m);
      line.close('}');
      lines += line.take();
      lines += '\n';
      if (lines.size() < enough) continue;
      sink(lines);
      lines.clear();
    }
  }
  sink(lines);
}

}  // namespace canirun
