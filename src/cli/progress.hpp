#pragma once

#include <string>
#include <string_view>

#include "environment.hpp"
#include "output.hpp"

namespace canirun {

/// A line on stderr as long as something takes time, on a terminal only; it leaves no trace.
class Progress {
 public:
  Progress(const Environment& env, bool wanted, std::string_view text)
      : show_(wanted && env.stderr_is_terminal && env.term != "dumb")  // which cannot take a line back
  {
    if (show_) write_message(std::string(text) + " ...");
  }
  ~Progress()
  {
    if (show_) write_message("\r\033[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  const bool show_;
};

}  // namespace canirun
