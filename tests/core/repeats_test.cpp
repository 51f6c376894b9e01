#include "graph/repeats.hpp"

#include "catch.hpp"

using canirun::fold_layers;
using Kinds = std::vector<std::uint64_t>;
using Layers = std::vector<std::uint32_t>;

TEST_CASE("layers that repeat are left out after two of them, the last two layers never")
{
  const auto folding = fold_layers(Kinds{1, 1, 1, 1, 1, 1, 1, 2});
  REQUIRE(folding);
  CHECK(folding->layers == Layers{0, 1, 6, 7});
  REQUIRE(folding->runs.size() == 1);
  CHECK(folding->runs[0].first == 0);
  CHECK(folding->runs[0].second == 1);
  CHECK(folding->runs[0].end == 2);
  CHECK(folding->runs[0].n_left_out == 4);
}

TEST_CASE("patterns of layers repeat as a whole, and what is left of one stays")
{
  const auto folding = fold_layers(Kinds{9, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 7, 8});
  REQUIRE(folding);
  CHECK(folding->layers == Layers{0, 1, 2, 3, 4, 5, 6, 16, 17, 18});
  CHECK(folding->runs[0].first == 1);
  CHECK(folding->runs[0].second == 4);
  CHECK(folding->runs[0].end == 7);
  CHECK(folding->runs[0].n_left_out == 3);
}

TEST_CASE("nothing to leave out")
{
  CHECK_FALSE(fold_layers(Kinds{}));
  CHECK_FALSE(fold_layers(Kinds{1}));
  CHECK_FALSE(fold_layers(Kinds{1, 2, 3, 4, 5, 6}));
  CHECK_FALSE(fold_layers(Kinds{1, 1, 1, 1}));
}
