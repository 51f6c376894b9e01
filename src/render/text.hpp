#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/units.hpp"

/// \file
/// Text for people: cleaning, widths, wrapping, and numbers as they are read.

namespace canirun {

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0;  ///< Bytes; 0 = not valid UTF-8.
};
/// The first code point of a text that is not empty.
CodePoint decode_utf8(std::string_view text);

/// Names come from files and drivers: control characters, invalid UTF-8 and direction marks become '?'.
/// With `ascii` so does everything beyond ASCII.
std::string clean(std::string_view text, bool ascii = false);

/// Columns on a terminal: wide East Asian characters and emoji count two, combining marks none.
std::size_t display_width(std::string_view text);
std::string pad_right(std::string text, std::size_t width);
std::string pad_left(const std::string& text, std::size_t width);
/// At most `width` columns; what is cut ends in `ellipsis`.
std::string cut(std::string_view text, std::size_t width, std::string_view ellipsis);
/// Lines of at most `width` columns, broken at spaces; a longer word stands alone.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

std::string size_text(Bytes bytes);                   ///< "38.6 GiB", "970 MiB", "501 KiB".
std::string size_text(std::int64_t bytes);            ///< The same with a sign: "-1.5 GiB".
std::string context_text(std::uint32_t tokens);       ///< "8k", "128k", "40960" is "40k", "1500" stays.
std::string params_text(std::uint64_t n);             ///< "69.0B", "494M".
std::string rate_text(double per_second);             ///< Two or three digits: "1.8", "24", "1860".
std::string bandwidth_text(double bytes_per_second);  ///< "1008 GB/s".

}  // namespace canirun
