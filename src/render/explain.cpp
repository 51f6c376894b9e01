#include <algorithm>
#include <fmt/format.h>

#include "describe.hpp"
#include "renderers.hpp"
#include "text.hpp"

namespace canirun {

namespace {

std::string figure_line(std::string_view label, const OptionalFigure& figure)
{
  if (!figure) return fmt::format("  {:<24} unknown\n", label);
  std::string value = figure->unit == "B"     ? size_text(figure->bytes())
                      : figure->unit == "B/s" ? bandwidth_text(figure->value)
                                              : fmt::format("{:.4g} {}", figure->value, figure->unit);
  return fmt::format("  {:<24} {:<14} {}\n", label, value, clean(figure->source));
}

/// One part of the memory; what it is made of stands beside it, on as many lines as it takes.
std::string part_line(std::string_view label, Bytes bytes, const std::string& how, std::uint32_t width)
{
  auto start = fmt::format("  {:<16} {:>15} B  {:>9}  ", label, bytes.count, size_text(bytes));
  const auto indent = display_width(start);
  std::string out;
  for (const auto& text : wrap(how, width - std::min<std::size_t>(indent, width - 20))) {
    out += start + text + "\n";
    start.assign(indent, ' ');
  }
  return out;
}

std::string device_parts(const DeviceReport& d, const QuantReport& row, const ModelReport& model, const Report& report,
                         const RenderOptions& options)
{
  std::string out = fmt::format("{} {}\n", d.device == "host" ? "RAM" : d.device, clean(d.name, !options.unicode));
  const auto line = [&](std::string_view label, Bytes bytes, const std::string& how) {
    if (bytes.count > 0) out += part_line(label, bytes, how, std::max(options.width, 40U));
  };
  const auto& w = report.workload;
  if (row.checkpoint && w.runtime == Runtime::transformers) {
    line("weights", d.parts.weights, fmt::format("whole modules of the {} checkpoint", quant_text(row)));
    line("cache", d.parts.kv_cache, fmt::format("keys and values of {} tokens in the model's type", model.n_ctx));
    line("activations", d.parts.compute, "a prompt of all tokens through the widest layer (docs/transformers.md)");
    line("runtime overhead", d.parts.runtime_overhead, d.device == "host" ? "process" : "CUDA context");
    line("total", d.parts.total(), fmt::format("of a budget of {}: {} left", size_text(d.budget), size_text(d.headroom_bytes())));
    return out;
  }
  if (row.checkpoint) {
    line("weights", d.parts.weights, fmt::format("a rank's part of the {} checkpoint", quant_text(row)));
    line("KV cache", d.parts.kv_cache,
         fmt::format("blocks of 16 tokens for {} sequence(s), {} together", w.n_seq_max, model.n_ctx));
    line("recurrent state", d.parts.recurrent_state, fmt::format("{} sequence(s)", w.n_seq_max));
    line("profile run", d.parts.compute, "peak of the widest layer or of the sampler (docs/vllm.md)");
    line("projector", d.parts.projector, "towers of a multimodal checkpoint");
    line("runtime overhead", d.parts.runtime_overhead,
         d.device == "host" ? "processes, assumed" : "CUDA graphs, NCCL, libraries");
    line("total", d.parts.total(), fmt::format("of a budget of {}: {} left", size_text(d.budget), size_text(d.headroom_bytes())));
    return out;
  }
  if (row.media) {
    line("weights", d.parts.weights, "of the stage that takes most here, with what stays");
    line("compute buffer", d.parts.compute, "what that stage computes with (docs/media-models.md, docs/diffusers.md)");
    line("runtime overhead", d.parts.runtime_overhead, "backend context and process");
    line("total", d.parts.total(), fmt::format("of a budget of {}: {} left", size_text(d.budget), size_text(d.headroom_bytes())));
    return out;
  }
  line("weights", d.parts.weights,
       fmt::format("tensors placed here, of {} B in the file ({:.4f} bits x {} parameters / 8)", row.file_bytes.count,
                   row.bits_per_weight.value, model.n_params));
  line("KV cache", d.parts.kv_cache,
       fmt::format("layers here x {} cells x (K row in {} + V row in {})", model.n_ctx, traits(w.cache_type_k).name,
                   traits(w.cache_type_v).name));
  line("recurrent state", d.parts.recurrent_state,
       fmt::format("layers here x {} sequence(s) x (conv + ssm state), f32", w.n_seq_max));
  line("compute buffer", d.parts.compute,
       fmt::format("peak of the graph for {} tokens, flash attention {}", w.n_ubatch, row.flash_attn ? "on" : "off"));
  line("output buffer", d.parts.output, "logits and embeddings of the output rows, f32");
  line("projector", d.parts.projector, "vision or audio encoder");
  line("runtime overhead", d.parts.runtime_overhead, "backend context and process, in none of llama.cpp's figures");
  line("total", d.parts.total(), fmt::format("of a budget of {}: {} left", size_text(d.budget), size_text(d.headroom_bytes())));
  if (!row.caches_known) out += "  caches: unknown for this architecture\n";
  if (!row.compute_known) out += "  compute buffer: unknown for this family\n";
  return out;
}

std::string thresholds()
{
  std::string out =
      "Grade: the worse of two letters (docs/grading.md)\n  letter  memory left  tokens a second  seconds an image  times real "
      "time\n";
  for (const auto& t : grade_thresholds()) {
    out += fmt::format("  {:<6} {:>9.0f} %  {:>15}  {:>16}  {:>15}\n", name(t.letter), 100 * t.min_headroom,
                       t.min_tokens_per_second > 0 ? fmt::format("{:g}", t.min_tokens_per_second) : "any",
                       t.max_seconds_per_image > 0 ? fmt::format("{:g}", t.max_seconds_per_image) : "any",
                       t.min_times_real_time > 0 ? fmt::format("{:g}", t.min_times_real_time) : "any");
  }
  return out + "  F      does not fit\n";
}

}  // namespace

std::string render_explanation(const Report& report, const ModelReport& model, const RenderOptions& options)
{
  std::string out;
  if (model.best) {
    const auto& row = model.quants[*model.best];
    out += fmt::format("Memory of {} {} ({} tokens of context)\n", clean(model.name, !options.unicode), quant_text(row),
                       model.n_ctx);
    for (const auto& d : row.devices) out += device_parts(d, row, model, report, options);
    out += "\n";
    if (row.media) {
      for (const auto& stage : row.media->stages) {
        out += fmt::format("Stage {:<14} GPU {:>10}, RAM {:>10}\n", stage.name, size_text(stage.gpu), size_text(stage.host));
      }
      const Style style({.colour = false, .unicode = false});
      out += fmt::format("Speed: {} {} (between {})\n", speed_text(row), speed_unit(model), speed_range_text(row, style));
    } else if (const auto& s = row.speed.generation_tps) {
      out += fmt::format("Speed: {} t/s (between {} and {}), limited by {}; basis: {} figures\n", rate_text(s->estimate),
                         rate_text(s->low), rate_text(s->high), name(row.speed.limited_by), name(row.speed.basis));
    } else {
      out += "Speed: unknown, no bandwidth figure (--gpu-bandwidth, --ram-bandwidth)\n";
    }
    const auto& g = row.grade;
    out += fmt::format("Grade: {} = the worse of memory {} ({:.1f} % left) and speed {}\n\n", name(g.letter), name(g.memory),
                       100 * headroom_share(row), g.speed ? name(*g.speed) : "not graded");
  }
  out += thresholds() + "\nThis machine's figures\n";
  for (std::size_t i = 0; i < report.hardware.gpus.size(); ++i) {
    const auto& gpu = report.hardware.gpus[i];
    out += figure_line(fmt::format("gpu{} memory", i), gpu.memory_total);
    out += figure_line(fmt::format("gpu{} memory free", i), gpu.memory_free);
    out += figure_line(fmt::format("gpu{} bandwidth", i), gpu.bandwidth);
    out += figure_line(fmt::format("gpu{} fp16", i), gpu.fp16_tflops);
  }
  out += figure_line("RAM bandwidth", report.hardware.memory.bandwidth);
  return out;
}

}  // namespace canirun
