#include <algorithm>
#include <cctype>
#include <fmt/format.h>

#include "operator_facts.hpp"
#include "renderers.hpp"
#include "text.hpp"

/// \file
/// Feature file of Kubernetes' Node Feature Discovery (its documentation, "local" source): a label a line below
/// /etc/kubernetes/node-feature-discovery/features.d.

namespace canirun {

namespace {

// Kubernetes: names and values of labels have at most 63 characters, letters, digits, '-', '_' and '.', and start and end with a
// letter or digit ("Labels and Selectors", Syntax and character set).
constexpr std::size_t k_longest = 63;

std::string label_text(std::string_view text)
{
  const auto is_end = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  std::string out;
  for (const char c : text) out += is_end(c) || c == '-' || c == '_' || c == '.' ? c : '-';
  if (out.size() > k_longest) out.resize(k_longest);
  while (!out.empty() && !is_end(out.back())) out.pop_back();
  const auto first = std::ranges::find_if(out, is_end);
  out.erase(out.begin(), first);
  return out;
}

}  // namespace

namespace {

void add_labels(std::string& out, const Report& report)
{
  if (!report.machine.empty()) out += fmt::format("# {}\n", clean(report.machine));
  const auto add = [&](std::string_view key, std::string_view value) {
    if (const auto name = label_text(key), text = label_text(value); !name.empty() && !text.empty())
      out += fmt::format("canirun.io/{}={}\n", name, text);
  };
  const auto facts = operator_facts(report.hardware);
  add("gpu-count", std::to_string(facts.gpus.size()));
  if (!facts.gpus.empty()) {
    add("gpu-product", facts.gpus.front().name);
    add("gpu-vendor", facts.gpus.front().vendor);
    add("vram-gib", std::to_string(facts.vram_gib));
    add("vram-total-gib", std::to_string(facts.vram_total_gib));
    add("gpu-unified-memory", facts.unified ? "true" : "false");
  }
  if (facts.ram_gib > 0) add("ram-gib", std::to_string(facts.ram_gib));
  if (facts.cores > 0) add("cores", std::to_string(facts.cores));
  for (const auto& m : report.models) {
    if (!m.grade || !m.best) continue;
    const auto& row = m.quants[*m.best];
    add(m.id, name(*m.grade));
    if (row.fits) add(fmt::format("{}.quant", m.id), row.quant_label.value_or(std::string(name(row.quant))));
    if (row.fits && row.max_ctx) add(fmt::format("{}.max-ctx", m.id), std::to_string(*row.max_ctx));
  }
}

}  // namespace

std::string render_nfd(Reports reports, const RenderOptions&)
{
  std::string out = "# Labels of a node by canirun; models with their grade and best quantisation.\n";
  for (const auto& report : reports) add_labels(out, report);
  return out;
}

}  // namespace canirun
