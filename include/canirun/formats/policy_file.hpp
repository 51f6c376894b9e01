#pragma once

#include <string_view>

#include "canirun/core/policy.hpp"
#include "canirun/core/result.hpp"

namespace canirun {

/// canirun.policy/1 (docs/schema/policy-1.json). `file` names the input in messages. A gate must not pass because of a slip of the pen:
/// unknown fields, machines that no rule can mean and values that do not parse are errors that name line, entry and field.
Result<Policy> parse_policy(std::string_view json, std::string_view file);

}  // namespace canirun
