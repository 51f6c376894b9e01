#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace canirun {

/// A string as a YAML scalar on one line, the same string again for every YAML 1.1 and 1.2 reader: plain where that is safe,
/// else in double quotes with escapes. Bytes that are not UTF-8 become U+FFFD.
std::string yaml_string(std::string_view text);
/// Strings as a flow sequence: ["-m", "x.gguf"].
std::string yaml_list(const std::vector<std::string>& values);

}  // namespace canirun
