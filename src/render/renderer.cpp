#include "canirun/render/renderer.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <vector>

#include "html.hpp"
#include "renderers.hpp"

namespace canirun {

namespace {

std::string render_html(Reports reports, const RenderOptions& options) { return HtmlRenderer().render(reports, options); }

using Function = std::string (*)(Reports, const RenderOptions&);

struct Format {
  std::string_view name;
  Function function;
};

// A new format is one line here and one file.
constexpr std::array k_formats{
    Format{"table", render_table},   Format{"json", render_json},         Format{"ndjson", render_ndjson},
    Format{"csv", render_csv},       Format{"markdown", render_markdown}, Format{"junit", render_junit},
    Format{"github", render_github}, Format{"gitlab", render_gitlab},     Format{"prometheus", render_prometheus},
    Format{"html", render_html},     Format{"nfd", render_nfd},           Format{"slurm", render_slurm},
};

class FunctionRenderer final : public Renderer {
 public:
  explicit FunctionRenderer(Function function) : function_(function) {}
  std::string render(Reports reports, const RenderOptions& options) const override { return function_(reports, options); }

 private:
  Function function_;
};

}  // namespace

std::vector<std::string_view> format_names()
{
  std::vector<std::string_view> names;
  names.reserve(k_formats.size());
  for (const auto& format : k_formats) names.push_back(format.name);
  return names;
}

Result<std::unique_ptr<Renderer>> make_renderer(std::string_view format)
{
  const auto found = std::ranges::find(k_formats, format, &Format::name);
  if (found == k_formats.end()) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("no format is called '{}'; choose one of {}", format, fmt::join(format_names(), ", ")));
  }
  return std::make_unique<FunctionRenderer>(found->function);
}

}  // namespace canirun
