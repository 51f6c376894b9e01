#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

#include "canirun/core/quant_quality.hpp"
#include "describe.hpp"
#include "renderers.hpp"
#include "text.hpp"
#include "text_table.hpp"

namespace canirun {

namespace {

std::string title(const ModelReport& model, const Style& style, std::uint32_t width)
{
  const auto name = clean(model.name, !style.unicode);
  std::string text;
  if (model.n_params > 0) text += fmt::format("{}{} parameters", style.dot(), params_text(model.n_params));
  if (model.n_params_active > 0 && model.n_params_active < model.n_params) {
    text += fmt::format(" ({} active)", params_text(model.n_params_active));
  }
  if (model.n_ctx > 0)
    text += fmt::format("{}{} of {} tokens of context", style.dot(), model.n_ctx, std::max(model.n_ctx, model.n_ctx_train));
  if (!model.quants.empty() && model.quants.front().media && model.quants.front().media->width > 0) {
    const auto& m = *model.quants.front().media;
    text += fmt::format("{}{}x{}", style.dot(), m.width, m.height);
    if (m.frames > 1) text += fmt::format(", {} frames", m.frames);
    text += fmt::format(", {} steps", m.steps);
  }
  text = cut(name + text, width, style.ellipsis());
  return style.bold(text.substr(0, std::min(name.size(), text.size()))) + text.substr(std::min(name.size(), text.size())) + "\n";
}

/// What the quantisation costs in quality, in words.
std::string costs_text(const QuantReport& row)
{
  if (row.media || row.quant_label) return "";
  const auto quality = quality_of(row.quant);
  return quality ? std::string(quality->words()) : "";
}

/// The same as a sentence with its figures and where they were measured.
std::string quality_note(const QuantReport& row)
{
  const auto quality = row.media || row.quant_label ? std::nullopt : quality_of(row.quant);
  if (!quality) return "";
  return fmt::format("{} costs {}: KL divergence {:.3f}, perplexity +{:.1f} % on {}{}; larger models lose less", quant_text(row),
                     quality->words(), quality->kl_divergence, 100 * quality->perplexity_increase, k_quality_model,
                     quality->imatrix ? " with an importance matrix" : "");
}

TextTable quant_table(const ModelReport& model, const Style& style)
{
  // Pictures, videos and speech have no context, no prompt to read, and no measured cost of a quantisation.
  constexpr auto never = std::numeric_limits<std::uint32_t>::max();
  const bool media = !model.quants.empty() && model.quants.front().media;
  TextTable table({{"", false},
                   {"quant", false},
                   {"grade", false},
                   {"memory", true},
                   {"runs on", false, true},
                   {speed_unit(model), true},
                   {"range", true, false, 100},
                   {"max ctx", true, false, media ? never : 0},
                   {"headroom", true, false, 100},
                   {"bits", true, false, 120},
                   {"costs", false, false, media ? never : 140},
                   {"file", true, false, 120},
                   {"prompt t/s", true, false, media ? never : 120},
                   {"first token", true, false, media ? never : 120}});
  for (std::size_t i = 0; i < model.quants.size(); ++i) {
    const auto& row = model.quants[i];
    const bool best = model.best == i && row.fits;
    auto grade = std::string(name(row.grade.letter));
    const bool graded = row.caches_known || !row.fits;
    if (!graded) grade = "?";
    else if (row.grade.letter != Letter::S) grade += fmt::format(" {}", name(row.grade.limited_by));
    table.add({{best ? std::string(style.best()) : "", {}, best},
               {quant_text(row), {}, best},
               {grade, graded ? std::optional(row.grade.letter) : std::nullopt},
               {size_text(row.memory.total())},
               {where_text(row)},
               {row.fits ? speed_text(row) : std::string(style.dash())},
               {row.fits ? speed_range_text(row, style) : std::string(style.dash())},
               {row.max_ctx && *row.max_ctx > 0 ? context_text(*row.max_ctx) : std::string(style.dash())},
               {fmt::format("{:.0f} %", 100 * headroom_share(row))},
               {fmt::format("{:.2f}", row.bits_per_weight.value)},
               {costs_text(row)},
               {size_text(row.file_bytes)},
               {!row.fits || row.media ? std::string(style.dash())
                : row.speed.prompt_tps ? rate_text(row.speed.prompt_tps->estimate)
                                       : "?"},
               {!row.fits || row.media            ? std::string(style.dash())
                : row.speed.time_to_first_token_s ? rate_text(row.speed.time_to_first_token_s->estimate) + " s"
                                                  : "?"}});
  }
  return table;
}

/// One bar a device: what of its budget the best row takes.
std::string memory_bars(const QuantReport& row, const Style& style, std::uint32_t width)
{
  constexpr std::size_t cells = 20;
  std::string out;
  for (const auto& d : row.devices) {
    const auto need = d.parts.total();
    if (need.count == 0) continue;
    const auto share =
        d.budget.count == 0 ? 1.0 : std::min(1.0, static_cast<double>(need.count) / static_cast<double>(d.budget.count));
    const auto filled = std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(share * cells)));
    std::string bar;
    for (std::size_t i = 0; i < cells; ++i) bar += i < filled ? style.full() : style.empty();
    const auto where = d.device == "host" ? std::string("RAM") : d.device;
    const auto line =
        fmt::format("  {}  {} {} of {}", pad_right(where, 5), bar, pad_left(size_text(need), 9), size_text(d.budget));
    out += line;
    std::string parts;
    const auto part = [&](std::string_view label, Bytes b) {
      if (b.count >= (1u << 20)) parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", label, size_text(b));
    };
    part("weights", d.parts.weights);
    part("cache", d.parts.kv_cache);
    part("state", d.parts.recurrent_state);
    part("compute", d.parts.compute);
    part("output", d.parts.output);
    part("projector", d.parts.projector);
    part("runtime", d.parts.runtime_overhead);
    const auto used = display_width(line) + 3;
    if (used + display_width(parts) <= width) {
      out += "   " + style.dim(parts) + "\n";
    } else {
      out += "\n";
      for (const auto& l : wrap(parts, width - 9)) out += "         " + style.dim(l) + "\n";
    }
  }
  return out;
}

std::string notes_text(const std::vector<std::string>& notes, const Style& style, std::uint32_t width)
{
  std::string out;
  for (const auto& note : notes) {
    bool first = true;
    for (const auto& line : wrap(clean(note, !style.unicode), width - 8)) {
      out += fmt::format("{}{}\n", first ? "  note: " : "        ", line);
      first = false;
    }
  }
  return out;
}

}  // namespace

std::string render_model(const Report& report, const ModelReport& model, const RenderOptions& options)
{
  const Style style(options);
  const auto width = std::max(options.width, 40u);
  std::string out = title(model, style, width);
  for (const auto& line : machine_lines(report.hardware, style)) out += cut(line, width, style.ellipsis()) + "\n";
  out += "\n";
  if (model.quants.empty()) {
    out += fmt::format("  grade ?  {}\n", clean(model.name, !style.unicode));
    return out + notes_text(model.notes, style, width);
  }
  out += quant_table(model, style).text(style, width);
  if (!model.best) return out + "\n" + notes_text(model.notes, style, width);
  // Where nothing fits, the row that needs least says what is missing.
  const auto& best = model.quants[*model.best].fits
                         ? model.quants[*model.best]
                         : *std::ranges::min_element(model.quants, {}, [](const QuantReport& r) { return r.memory.total(); });
  out += "\n" + style.bold(fmt::format("{} {}", best.fits ? "Best:" : "Nothing fits; closest:", quant_text(best))) + "\n";
  out += memory_bars(best, style, width);
  if (!options.quiet) {
    auto notes = best.notes;
    if (const auto note = quality_note(best); best.fits && !note.empty()) notes.push_back(note);
    notes.insert(notes.end(), model.notes.begin(), model.notes.end());
    if (options.verbose) {
      for (const auto& n : report.hardware.notes) notes.push_back(n.source + ": " + n.text);
    }
    out += notes_text(notes, style, width);
  }
  // A command line is copied: it stays on one line, whatever its length.
  if (!best.command.empty()) out += "  " + style.bold(clean(best.command)) + "\n";
  return out;
}

}  // namespace canirun
