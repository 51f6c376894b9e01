#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <unistd.h>

#include "canirun/core/result.hpp"

namespace canirun {

/// Stdout ("" or "-") or a file that is written piece by piece: a regular or new one through a temporary file beside it and a rename,
/// so that it is there whole or not at all; devices and pipes directly. A reader that has gone away is not an error.
class Output {
 public:
  explicit Output(std::string path);
  ~Output();  ///< What was not finished leaves nothing behind.
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// After a piece that could not be written no other is tried.
  void write(std::string_view piece);
  /// Errors: io, of any piece.
  Result<void> finish();

 private:
  /// Signals that end the program wait as long as a temporary file is there: Ctrl-C leaves nothing behind.
  class SignalsWait;
  void open_file();
  void close_file();

  std::string path_, target_, temporary_;
  int fd_ = STDOUT_FILENO;
  mode_t mode_ = 0;
  int error_ = 0;  ///< The first errno; EPIPE is one that nobody is told of.
  std::unique_ptr<SignalsWait> signals_;
};

/// Writes the whole of `text`. Errors: io.
Result<void> write_output(std::string_view text, const std::string& path);

/// A message on stderr. Where nobody can read it there is nothing left to say: errors are passed over.
void write_message(std::string_view text);

/// The whole of a file; "-" is stdin. Errors: io.
Result<std::string> read_input(const std::string& path);

}  // namespace canirun
