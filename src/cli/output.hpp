#pragma once

#include <string>
#include <string_view>

#include "canirun/core/result.hpp"

namespace canirun {

/// Writes the whole of `text` to stdout ("" or "-"), or to `path`: a regular or new file through a temporary one beside it and a
/// rename, so that it is there whole or not at all; devices and pipes directly. A reader that has gone away is not an error.
/// Errors: io.
Result<void> write_output(std::string_view text, const std::string& path);

/// A message on stderr. Where nobody can read it there is nothing left to say: errors are passed over.
void write_message(std::string_view text);

/// The whole of a file; "-" is stdin. Errors: io.
Result<std::string> read_input(const std::string& path);

}  // namespace canirun
