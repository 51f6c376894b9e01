#include "canirun/render/renderer.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <vector>

#include "html.hpp"
#include "renderers.hpp"

namespace canirun {

namespace {

using Function = void (*)(Reports, const RenderOptions&, const Sink&);

/// A format whose text is one piece.
template <std::string (*render)(Reports, const RenderOptions&)>
void whole(Reports reports, const RenderOptions& options, const Sink& sink)
{
  sink(render(reports, options));
}

void write_html(Reports reports, const RenderOptions& options, const Sink& sink) { HtmlRenderer().write(reports, options, sink); }

struct Format {
  std::string_view name;
  Function function;
};

// A new format is one line here and one file.
constexpr std::array k_formats{
    Format{"table", whole<render_table>},   Format{"json", write_json},
    Format{"ndjson", write_ndjson},         Format{"csv", whole<render_csv>},
    Format{"markdown", whole<render_markdown>}, Format{"junit", whole<render_junit>},
    Format{"github", whole<render_github>}, Format{"gitlab", whole<render_gitlab>},
    Format{"prometheus", whole<render_prometheus>}, Format{"html", write_html},
    Format{"nfd", whole<render_nfd>},       Format{"slurm", whole<render_slurm>},
};

class FunctionRenderer final : public Renderer {
 public:
  explicit FunctionRenderer(Function function) : function_(function) {}
  void write(Reports reports, const RenderOptions& options, const Sink& sink) const override { function_(reports, options, sink); }

 private:
  Function function_;
};

}  // namespace

std::string Renderer::render(Reports reports, const RenderOptions& options) const
{
  std::string text;
  write(reports, options, [&](std::string_view piece) { text += piece; });
  return text;
}

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
