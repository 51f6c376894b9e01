#pragma once

#include <span>
#include <string>
#include <string_view>

#include "canirun/core/fleet.hpp"
#include "canirun/core/result.hpp"

/// \file
/// canirun.fleet-shard/1: a part of the models of a fleet, evaluated. `merge_shards` of all parts is the fleet that one run makes.

namespace canirun {

/// Which part of the models this run evaluates: those whose index % of == index − 1.
struct Shard {
  std::uint32_t index = 1;  ///< From 1.
  std::uint32_t of = 1;
  bool holds(std::size_t model) const { return model % of == index - 1; }
};

/// `report.fleet.models` are the shard's own, in their order; `n_models` is the number of all. One model a line.
std::string shard_json(const FleetReport& report, const Shard& shard, std::size_t n_models);

struct ShardText {
  std::string name;  ///< Of the file, for messages.
  std::string text;
};
/// All parts of one fleet, in any order. Errors: parse (not a shard), invalid_argument (parts of different questions, one twice, one
/// missing).
Result<FleetReport> merge_shards(std::span<const ShardText> shards);

}  // namespace canirun
