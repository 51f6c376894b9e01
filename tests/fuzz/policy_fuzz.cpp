#include "canirun/formats/policy_file.hpp"

#include <algorithm>

#include "exercise.hpp"

/// Any bytes are a policy or an error; what a policy says is complete and within what a question may ask.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const auto policy = canirun::parse_policy({reinterpret_cast<const char*>(data), size}, "input");
  if (!policy) {
    if (policy.error().message.empty()) __builtin_trap();
    return 0;
  }
  if (policy->machines.empty() || policy->rules.empty()) __builtin_trap();
  for (const auto& rule : policy->rules) {
    if (rule.models.empty() || rule.machines.empty()) __builtin_trap();
    if (!std::ranges::all_of(rule.machines, [&](std::size_t i) { return i < policy->machines.size(); })) __builtin_trap();
    if (rule.n_ctx.value_or(1) == 0 || rule.n_ctx.value_or(1) > 1U << 30U || rule.n_seq_max.value_or(1) == 0) __builtin_trap();
  }
  return 0;
}
