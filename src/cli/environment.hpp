#pragma once

#include <cstdint>
#include <string>

#include "canirun/formats/data_paths.hpp"
#include "options.hpp"

/// \file
/// What the environment says, read once at the edge.

namespace canirun {

struct Environment {
  DataEnvironment data;
  std::string sysroot = "/";  ///< CANIRUN_SYSROOT.
  std::string path;           ///< PATH.
  std::string llama_cpp;      ///< CANIRUN_LLAMA_CPP: a folder with llama.cpp's programs.
  bool stdout_is_terminal = false;
  bool stderr_is_terminal = false;
  bool no_color = false;     ///< NO_COLOR, not empty.
  bool force_color = false;  ///< FORCE_COLOR, not empty and not "0".
  std::string term;
  std::string locale;        ///< LC_ALL, else LC_CTYPE, else LANG.
  std::uint32_t width = 80;  ///< COLUMNS, else the terminal's, else 80.
};

Environment read_environment();

bool use_colour(ColourChoice choice, const Environment& env);
/// True for UTF-8 locales.
bool use_unicode(const Environment& env);

}  // namespace canirun
