#pragma once

#include <string>
#include <string_view>

#include "canirun/core/grade.hpp"
#include "canirun/render/renderer.hpp"

/// \file
/// How the table looks: colours only beside text that says the same, and characters that every terminal has where it has no UTF-8.

namespace canirun {

struct Style {
  bool colour = false;
  bool unicode = true;

  explicit Style(const RenderOptions& options) : colour(options.colour), unicode(options.unicode) {}

  std::string_view best() const { return unicode ? "▶" : ">"; }
  std::string_view ellipsis() const { return unicode ? "…" : ".."; }
  std::string_view dash() const { return unicode ? "–" : "-"; }
  std::string_view dot() const { return unicode ? " · " : ", "; }
  std::string_view times() const { return unicode ? "×" : "x"; }
  std::string_view at_least() const { return unicode ? "≥" : ">="; }
  std::string_view full() const { return unicode ? "█" : "#"; }
  std::string_view empty() const { return unicode ? "░" : "."; }
  std::string_view rule() const { return unicode ? "─" : "-"; }

  std::string paint(std::string_view text, std::string_view code) const
  {
    return colour ? "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m" : std::string(text);
  }
  std::string bold(std::string_view text) const { return paint(text, "1"); }
  std::string dim(std::string_view text) const { return paint(text, "2"); }
  std::string grade(std::string_view text, Letter letter) const
  {
    switch (letter) {
      case Letter::S:
      case Letter::A: return paint(text, "1;32");
      case Letter::B: return paint(text, "1;36");
      case Letter::C: return paint(text, "1;33");
      case Letter::D: return paint(text, "1;35");
      case Letter::F: return paint(text, "1;31");
    }
    return std::string(text);
  }
};

}  // namespace canirun
