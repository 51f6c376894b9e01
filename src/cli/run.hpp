#pragma once

#include <span>

#include "environment.hpp"
#include "options.hpp"

/// \file
/// From arguments to an exit status, without the process around it: `main` and the fuzz target of the command line call these.

namespace canirun {

/// Answers one question: the text goes to -o or stdout. Errors are of the question or of the output; nothing is on stderr yet.
Result<int> answer(const Options& options, const Environment& env);

/// Parses, answers, and says what went wrong as one sentence on stderr (with --json as an object on stdout too). Never throws.
int run(std::span<char* const> words);

}  // namespace canirun
