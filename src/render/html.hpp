#pragma once

#include "canirun/render/renderer.hpp"

namespace canirun {

/// One self-contained page: hardware card, sortable and filterable table, memory per device as stacked bars, context × quantisation
/// heat map where the report has one. Works offline and without scripts (the table is plain HTML; scripts sort, filter and draw).
class HtmlRenderer : public Renderer {
 public:
  void write(Reports reports, const RenderOptions& options, const Sink& sink) const override;
};

}  // namespace canirun
