#pragma once

#include <string>
#include <string_view>

namespace canirun {

/// Text of files and drivers inside HTML or XML, in an element or in an attribute: nothing in it is markup, what cannot be shown is '?'.
std::string escape_markup(std::string_view text);

}  // namespace canirun
