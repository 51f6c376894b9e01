#pragma once

#include <string_view>

/// \file
/// The data files that are part of the program, byte for byte (builtin_data.S).

namespace canirun {

std::string_view builtin_models_json();
std::string_view builtin_gpus_json();

}  // namespace canirun
