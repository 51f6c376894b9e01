#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "canirun/core/result.hpp"
#include "canirun/core/units.hpp"

/// \file
/// Numbers as people type them. Errors: invalid_argument, a sentence that says what is accepted.

namespace canirun {

/// "24G" and "24GiB" are 2^30 each, "24GB" is 10^9; K, M, T likewise; a bare number of at least 1 MiB is bytes.
Result<Bytes> parse_size(std::string_view text);
/// Tokens: "8192", "32k" (1024 each), "1M".
Result<std::uint32_t> parse_tokens(std::string_view text);
/// "936", "936GB/s", "1.8TB/s": a bare number is GB/s (10^9).
Result<BytesPerSecond> parse_bandwidth(std::string_view text);
/// "1024x768" or "1024" for a square: width and height in pixels, each from 64 to 8192.
Result<std::array<std::uint32_t, 2>> parse_resolution(std::string_view text);
/// A whole number from `least` to `most`; the default is beyond what any option means, so that no product of options overflows.
Result<std::uint32_t> parse_count(std::string_view text, std::uint32_t least, std::uint32_t most = 1U << 20U);

}  // namespace canirun
