#include "graph/repeats.hpp"

#include "catch.hpp"

using canirun::fold_layers;
using Kinds = std::vector<std::uint64_t>;
using Layers = std::vector<std::uint32_t>;

TEST_CASE("layers that repeat are left out after two of them, the last two layers never")
{
  const auto folding = fold_layers(Kinds{1, 1, 1, 1, 1, 1, 1, 2}, {.stride = 1, .kept = 2});
  REQUIRE(folding);
  CHECK(folding->layers == Layers{0, 1, 6, 7});
  REQUIRE(folding->checks.size() == 1);
  CHECK(folding->checks[0].first == 1);
  CHECK(folding->checks[0].second == 2);
}

TEST_CASE("patterns of layers repeat as a whole, and what is left of one stays")
{
  const auto folding = fold_layers(Kinds{9, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 7, 8}, {.stride = 1, .kept = 3});
  REQUIRE(folding);
  CHECK(folding->layers == Layers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 18});
  CHECK(folding->checks[0].run == 1);
  CHECK(folding->checks[0].first == 7);
  CHECK(folding->checks[0].second == 10);
}

TEST_CASE("a stride of two keeps an even number of repetitions of what it leaves out")
{
  const auto folding = fold_layers(Kinds(11, 5), {.stride = 2, .kept = 2});
  REQUIRE(folding);
  CHECK(folding->layers == Layers{0, 1, 2, 3, 8, 9, 10});
}

TEST_CASE("nothing to leave out")
{
  CHECK_FALSE(fold_layers(Kinds{}, {}));
  CHECK_FALSE(fold_layers(Kinds{1}, {}));
  CHECK_FALSE(fold_layers(Kinds{1, 2, 3, 4, 5, 6}, {}));
  CHECK_FALSE(fold_layers(Kinds{1, 1, 1, 1}, {}));
}
