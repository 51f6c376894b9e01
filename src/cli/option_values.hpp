#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "canirun/core/projector.hpp"
#include "options.hpp"

/// \file
/// Values of options as people write them. Errors: invalid_argument, a sentence with the remedy.

namespace canirun {

/// A name of an enumeration, or the list of those there are.
template <typename T>
std::function<Result<T>(std::string_view)> one_of(std::optional<T> (*parse)(std::string_view), std::string_view what,
                                                  std::string_view choices)
{
  return [=](std::string_view text) -> Result<T> {
    if (const auto value = parse(text)) return *value;
    return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not {}; choose one of {}", text, what, choices));
  };
}

/// Reads a number from `least` to `most`.
std::function<Result<std::uint32_t>(std::string_view)> count_from(std::uint32_t least, std::uint32_t most = 1U << 20U);
/// Reads a number from 1 to `most`, and says so where there are too many.
std::function<Result<std::uint32_t>(std::string_view)> count_to(std::uint32_t most);

/// "3B..14B", "..8B", "30B..": numbers of parameters, both ends included.
Result<std::pair<std::uint64_t, std::uint64_t>> parse_params_range(std::string_view text);
/// "2025-06".
Result<std::string> parse_month(std::string_view text);
/// A number, "all" = -1, "auto" = -2.
Result<std::int32_t> parse_layers(std::string_view text);
/// A projector file, or "auto": the model's own as the catalogue has it. Errors: those of read_projector.
Result<std::shared_ptr<const Projector>> parse_projector(std::string_view text);
/// "3,1": shares of the GPUs, not all zero.
Result<std::vector<double>> parse_shares(std::string_view text);
/// Tokens a second.
Result<double> parse_rate(std::string_view text);
Result<std::string> parse_sort(std::string_view text);
Result<std::string> parse_format(std::string_view text);
Result<std::string> parse_target(std::string_view text);
/// "1/4".
Result<Shard> parse_shard(std::string_view text);
/// A host's name as DNS and schedulers write it: it goes into labels, file names and shell commands.
Result<std::string> parse_host(std::string_view text);
std::optional<ColourChoice> parse_colour(std::string_view text);
/// Tokens in the cache, as parse_tokens, or none.
Result<std::uint32_t> parse_depth(std::string_view text);
/// "deep" is true, "normal" is false.
Result<bool> parse_probe_depth(std::string_view text);

/// The parts of a list with commas, without empty ones.
std::vector<std::string> split_list(std::string_view text);

}  // namespace canirun
