#pragma once

#include <random>
#include <vector>

#include "canirun/core/evaluate.hpp"
#include "canirun/formats/catalogue.hpp"
#include "canirun/formats/gpu_table.hpp"

/// \file
/// Models, machines and questions drawn from all there are, the same ones in every run.

namespace canirun {

/// std::mt19937 gives the same numbers everywhere; the library's distributions do not.
class Draw {
 public:
  explicit Draw(std::uint32_t seed) : next_(seed) {}
  std::size_t below(std::size_t n) { return next_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <typename T>
  T of(std::initializer_list<T> values)
  {
    return values.begin()[below(values.size())];
  }

 private:
  std::mt19937 next_;
};

/// The compiled-in data.
const Catalogue& catalogue();
const GpuTable& gpu_table();
/// Every model of the catalogue that can be planned.
const std::vector<const CatalogueEntry*>& planned_models();

/// One or two cards of the table, or none, with RAM of 4 GiB to 2 TiB.
HardwareProfile draw_machine(Draw& draw);
/// Options as a user may state them, ordinary and extreme ones.
Question draw_question(Draw& draw, const ModelSpec& model);

}  // namespace canirun
