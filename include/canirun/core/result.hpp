#pragma once

#include <string>
#include <tl/expected.hpp>

namespace canirun {

/// What kind of failure it is; exists because callers branch on it (exit status, retry, note).
enum class ErrorKind {
  invalid_argument,  ///< The question was wrong: a flag, a name, a number. Exit 2.
  not_found,         ///< Nothing is called that. Exit 2.
  parse,             ///< A file is not what it claims to be; the message has file, position and field. Exit 2.
  io,                ///< Reading or writing failed. Exit 2 for an input, 3 for an output.
  unavailable,       ///< A driver or library is not there: an ordinary answer that becomes a note.
};

/// An expected failure: one sentence that names the thing, the problem and the remedy where we know it.
struct Error {
  ErrorKind kind = ErrorKind::invalid_argument;
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;

/// `return fail(ErrorKind::parse, "…");` in a function that returns a `Result`.
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message)
{
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}

}  // namespace canirun
