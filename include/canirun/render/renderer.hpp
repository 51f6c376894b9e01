#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/report.hpp"
#include "canirun/core/result.hpp"

namespace canirun {

/// How to present a report; decided at the edge, so that rendering never asks the terminal.
struct RenderOptions {
  bool colour = false;
  bool unicode = true;
  bool plain = false;
  bool explain = false;
  bool verbose = false;
  bool quiet = false;
  bool machine_answer = false;  ///< No MODEL was named: the ranked list of this machine.
  std::uint32_t width = 80;
  std::uint32_t limit = 0;  ///< Rows of a ranked list; 0 = all.
  /// Calls its second argument for 0 … n − 1, on several threads if it likes; without one the renderer does it itself.
  std::function<void(std::size_t, const std::function<void(std::size_t)>&)> for_each = {};
};

/// One answer, or one for each machine that was asked about.
using Reports = std::span<const Report>;

/// Takes the next piece of a text.
using Sink = std::function<void(std::string_view)>;

class Renderer {
 public:
  virtual ~Renderer() = default;
  /// The whole output, ending in one newline, in as many pieces as suit it. Same reports and options, same text, on any machine.
  virtual void write(Reports reports, const RenderOptions& options, const Sink& sink) const = 0;
  /// The same as one text.
  std::string render(Reports reports, const RenderOptions& options) const;
};

/// "table", "json", "ndjson", "csv", "markdown", …; an unknown name is an error that lists the known ones.
Result<std::unique_ptr<Renderer>> make_renderer(std::string_view format);

/// The names that `make_renderer` knows.
std::vector<std::string_view> format_names();

}  // namespace canirun
